// What a device moved over its link, by month, as counted on the link itself.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { getUsage, type UsedMonth } from "../../api/devices";
import { formatValue } from "../../model/units";
import { DataTable, type Column } from "../../ui/data_table";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";

const PARTS = ["events", "probes", "host", "rest"] as const;

function Key(): ReactElement {
  const { t } = useTranslation();
  return (
    <p className="usage-key">
      {PARTS.map((key) => <span key={key}><i className={`lb-swatch usage-part is-${key}`} aria-hidden="true" /> {t(`device.class_${key}`)}</span>)}
      <span><i className="lb-swatch usage-part is-in" aria-hidden="true" /> {t("device.used_in")}</span>
    </p>
  );
}

function Share({ month, most }: { month: UsedMonth; most: number }): ReactElement {
  const { t } = useTranslation();
  const parts = [
    ["events", month.events_bytes, t("device.class_events")], ["probes", month.probes_bytes, t("device.class_probes")], ["host", month.host_bytes, t("device.class_host")],
    ["rest", month.other_bytes, t("device.class_rest")], ["in", month.in_bytes, t("device.used_in")],
  ] as const;
  const words = parts.map(([, bytes, name]) => `${name} ${formatValue(bytes, "bytes")}`).join(t("device.join"));
  return (
    <span className="usage-bar" role="img" aria-label={words} title={words}>
      {parts.map(([key, bytes]) => <span key={key} className={`usage-part is-${key}`} style={{ width: `${(100 * bytes) / Math.max(1, most)}%` }} />)}
    </span>
  );
}

function Months({ months }: { months: UsedMonth[] }): ReactElement {
  const { t } = useTranslation();
  const total = (m: UsedMonth): number => m.in_bytes + m.out_bytes;
  const most = Math.max(...months.map(total));
  const columns: Column<UsedMonth>[] = [
    { key: "month", title: t("device.month"), width: 110, render: (m) => <b className="is-tabular">{m.month}</b> },
    { key: "total", title: t("device.used_total"), width: 110, align: "right", render: (m) => formatValue(total(m), "bytes") },
    { key: "share", title: t("device.used_parts"), width: 220, isWide: true, render: (m) => <Share month={m} most={most} /> },
    { key: "out", title: t("device.used_out"), align: "right", render: (m) => formatValue(m.out_bytes, "bytes") },
    ...(["events", "probes", "host"] as const).map((key): Column<UsedMonth> => ({
      key, title: t(`device.class_${key}`), align: "right", render: (m) => formatValue(m[`${key}_bytes`], "bytes"),
    })),
    { key: "rest", title: t("device.class_rest"), align: "right", render: (m) => formatValue(m.other_bytes, "bytes") },
    { key: "in", title: t("device.used_in"), align: "right", render: (m) => formatValue(m.in_bytes, "bytes") },
  ];
  return (
    <>
      <Key />
      <DataTable keyOf={(m) => m.month} columns={columns} rows={months} minWidth={980} />
    </>
  );
}

export function Usage({ device }: { device: string }): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll((signal) => getUsage(device, signal), { key: `usage:${device}`, intervalMs: 60_000 });
  return (
    <section className="panel" aria-labelledby="device-usage">
      <h2 id="device-usage">{t("device.usage")}</h2>
      <p className="list-note">{t("device.usage_text")}</p>
      <View polled={polled} isEmpty={(m) => m.length === 0} empty={<p className="is-faint">{t("device.usage_none")}</p>}>
        {(months) => <Months months={months} />}
      </View>
    </section>
  );
}
