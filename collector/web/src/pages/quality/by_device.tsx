// What was lost, by device and reason, with the true times.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { GapTotals } from "../../api/ledger";
import { reasonOf } from "../../model/gaps";
import { browserZone, formatDateTime } from "../../model/time";
import { durationText } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { DeviceLink, type SiteOf } from "./device_link";

type Sum = GapTotals["devices"][number]["reasons"][number];
type Row = Sum & { device: string };

/** Nothing when there are none: the chart above says so. */
export function ByDevice({ totals, siteOf }: { totals: GapTotals; siteOf: SiteOf }): ReactElement | null {
  const { t, i18n } = useTranslation();
  const zone = browserZone();
  const rows: Row[] = totals.devices.flatMap((d) => d.reasons.map((s) => ({ ...s, device: d.device })));
  if (rows.length === 0) {
    return null;
  }
  const when = (ms: number | null): string => (ms === null ? t("time.unknown") : formatDateTime(ms, zone));
  const count = (n: number): string => (n === 0 ? "–" : n.toLocaleString(i18n.language));
  const columns: Column<Row>[] = [
    { key: "device", title: t("quality.device"), sorter: (a, b) => a.device.localeCompare(b.device), render: (r) => <DeviceLink device={r.device} siteOf={siteOf} /> },
    { key: "reason", title: t("quality.reason"), render: (r) => <span className="reason" title={t(`reason_help.${reasonOf(r.reason)}`)}>{t(`reason.${reasonOf(r.reason)}`)}</span> },
    { key: "entries", title: t("quality.entries"), width: 100, align: "right", sorter: (a, b) => a.entries - b.entries, render: (r) => count(r.entries) },
    { key: "time", title: t("quality.lost_time"), width: 150, align: "right", sorter: (a, b) => a.time_ms - b.time_ms, render: (r) => (r.time_ms === 0 ? "–" : durationText(r.time_ms, t)) },
    { key: "batches", title: t("quality.batches"), width: 100, align: "right", render: (r) => count(r.batches) },
    { key: "samples", title: t("quality.samples"), width: 110, align: "right", render: (r) => count(r.samples) },
    { key: "first", title: t("quality.first"), width: 180, render: (r) => when(r.first_unix_ms) },
    { key: "last", title: t("quality.last"), width: 180, render: (r) => when(r.last_unix_ms) },
  ];
  return (
    <section>
      <h2>{t("quality.by_device")}</h2>
      <DataTable keyOf={(r) => `${r.device}:${r.reason}`} columns={columns} rows={rows} minWidth={1080} />
      {totals.more_devices && <p className="list-note">{t("quality.more_devices")}</p>}
    </section>
  );
}
