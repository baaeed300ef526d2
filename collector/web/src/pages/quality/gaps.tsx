// The ledger: what will not arrive any more, and why.

import { Select } from "antd";
import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "wouter";

import type { Gap, Gaps } from "../../api/ledger";
import { reasonOf, REASONS } from "../../model/gaps";
import { browserZone, formatDateTime } from "../../model/time";
import { Age, spanText } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { Empty, Nothing } from "../../ui/view";

export function streamText(stream: string, t: TFunction): string {
  return stream === "host" || stream === "probes" || stream === "events" ? t(`quality.stream_${stream}`) : stream;
}

function sequence(gap: Gap): string {
  return gap.seq_first === null ? "–" : gap.seq_first === gap.seq_last ? String(gap.seq_first) : `${gap.seq_first}–${gap.seq_last ?? ""}`;
}

function gapKey(gap: Gap): string {
  return [gap.device, gap.stream, gap.seq_first, gap.seq_last, gap.from_unix_ms, gap.to_unix_ms, gap.reason, gap.known_unix_ms].join(":");
}

/** Of an entry whose times are not known, what it cannot be longer than. */
function lengthOf(g: Gap, t: TFunction): string {
  if (g.from_unix_ms !== null && g.to_unix_ms !== null) {
    return spanText(g.to_unix_ms - g.from_unix_ms, t);
  }
  return g.not_before_unix_ms === null || g.not_after_unix_ms === null ? "–" : t("quality.at_most", { span: spanText(g.not_after_unix_ms - g.not_before_unix_ms, t) });
}

export function GapTable({ gaps }: { gaps: Gap[] }): ReactElement {
  const { t, i18n } = useTranslation();
  const zone = browserZone();
  const when = (ms: number | null, bound: "not_before" | "not_after", boundMs: number | null): ReactElement => {
    if (ms !== null) {
      return <>{formatDateTime(ms, zone)}</>;
    }
    return boundMs === null ? <span className="is-faint">{t("time.unknown")}</span> : <i className="is-faint">{t(`quality.${bound}`, { time: formatDateTime(boundMs, zone) })}</i>;
  };
  const columns: Column<Gap>[] = [
    {
      key: "reason",
      title: t("quality.reason"),
      render: (g) => <span className="reason" title={t(`reason_help.${reasonOf(g.reason)}`)}>{t(`reason.${reasonOf(g.reason)}`)}</span>,
    },
    { key: "device", title: t("quality.device"), render: (g) => g.device },
    { key: "stream", title: t("quality.stream"), width: 100, render: (g) => streamText(g.stream, t) },
    { key: "from", title: t("quality.from"), width: 180, render: (g) => when(g.from_unix_ms, "not_before", g.not_before_unix_ms) },
    { key: "to", title: t("quality.to"), width: 180, render: (g) => when(g.to_unix_ms, "not_after", g.not_after_unix_ms) },
    { key: "length", title: t("quality.length"), width: 100, render: (g) => lengthOf(g, t) },
    { key: "samples", title: t("quality.samples"), width: 100, align: "right", render: (g) => (g.samples === null ? "–" : g.samples.toLocaleString(i18n.language)) },
    { key: "seq", title: t("quality.sequence"), width: 120, align: "right", render: (g) => sequence(g) },
    { key: "known", title: t("quality.known"), width: 140, render: (g) => <Age unixMs={g.known_unix_ms} zone={zone} /> },
  ];
  return <DataTable keyOf={gapKey} columns={columns} rows={gaps} minWidth={1080} />;
}

export function GapLedger({ gaps }: { gaps: Gaps }): ReactElement {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const [device, reason] = [params.get("device"), params.get("reason")];
  const set = (key: "device" | "reason", value: string | undefined): void => {
    setParams((old) => {
      const next = new URLSearchParams(old);
      if (value === undefined) {
        next.delete(key);
      } else {
        next.set(key, value);
      }
      return next;
    }, { replace: true });
  };
  const devices = [...new Set(gaps.items.map((g) => g.device))].sort((a, b) => a.localeCompare(b));
  const present = REASONS.filter((r) => gaps.items.some((g) => reasonOf(g.reason) === r));
  const shown = gaps.items.filter((g) => (device === null || g.device === device) && (reason === null || reasonOf(g.reason) === reason));
  if (gaps.items.length === 0) {
    return <Nothing title={t("quality.no_gaps")} />;
  }
  return (
    <>
      <div className="filters">
        <Select className="filter-select" allowClear showSearch aria-label={t("quality.device")} placeholder={t("quality.all_devices")} value={device}
          options={devices.map((value) => ({ value, label: value }))} onChange={(v: string | undefined) => set("device", v)} />
        <Select className="filter-select" allowClear aria-label={t("quality.reason")} placeholder={t("quality.all_reasons")} value={reason}
          options={present.map((value) => ({ value: value, label: t(`reason.${value}`) }))} onChange={(v: string | undefined) => set("reason", v)} />
      </div>
      {shown.some((g) => g.from_unix_ms === null || g.to_unix_ms === null) && <p className="list-note">{t("quality.bounds_text")}</p>}
      {shown.length === 0 ? <Empty title={t("quality.no_gaps_filter")} /> : <GapTable gaps={shown} />}
      {gaps.next !== null && <p className="list-note">{t("quality.more", { count: gaps.items.length })}</p>}
    </>
  );
}
