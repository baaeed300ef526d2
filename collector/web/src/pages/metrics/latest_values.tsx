// The newest value of every series of a metric.

import { useMemo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { latestOfMetric, type MetricLatest, type Question } from "../../api/metrics";
import { unitOf } from "../../model/explore";
import { formatValue } from "../../model/units";
import { Age } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";

const MOST = 2000;

interface Row {
  series: number;
  device: string;
  labels: string;
  atMs: number | null;
  value: number | null;
  state: MetricLatest["state"][number];
}

function rowsOf(latest: MetricLatest): Row[] {
  return latest.series.map((series, i) => ({
    series,
    device: latest.device[i] ?? "",
    labels: Object.entries(latest.labels[i] ?? {}).map(([k, v]) => `${k}=${v}`).join(", "),
    atMs: latest.unix_ms[i] ?? null,
    value: latest.value[i] ?? null,
    state: latest.state[i] ?? "unknown",
  }));
}

function Values({ latest, zone }: { latest: MetricLatest; zone: string }): ReactElement {
  const { t } = useTranslation();
  const rows = useMemo(() => rowsOf(latest), [latest]);
  // As it was measured: a counter's newest value is its count, not its growth.
  const unit = unitOf(latest.unit, "max");
  const columns: Column<Row>[] = [
    { key: "device", title: t("metrics.group_device"), sorter: (a, b) => a.device.localeCompare(b.device), render: (r) => <Link href={`/devices/${encodeURIComponent(r.device)}`}>{r.device}</Link> },
    { key: "labels", title: t("metrics.label"), render: (r) => r.labels || "–" },
    { key: "value", title: t("metrics.value"), align: "right", width: 140, sorter: (a, b) => (a.value ?? -Infinity) - (b.value ?? -Infinity), render: (r) => formatValue(r.value, unit) },
    { key: "at", title: t("metrics.at"), width: 170, render: (r) => <Age unixMs={r.atMs} zone={zone} none="unknown" /> },
    { key: "state", title: t("work.state"), width: 120, render: (r) => <span className={`metric-state is-${r.state}`}>{t(`metrics.state_${r.state}`)}</span> },
  ];
  return (
    <>
      {!latest.complete && <p className="notice">{t("metrics.incomplete")}</p>}
      {latest.more && <p className="list-note">{t("metrics.more_values", { shown: rows.length })}</p>}
      <DataTable keyOf={(r) => String(r.series)} columns={columns} rows={rows} minWidth={760} />
    </>
  );
}

export function LatestValues({ question, zone }: { question: Question; zone: string }): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll((signal) => latestOfMetric(question, MOST, signal), { key: `latest ${JSON.stringify(question)}`, intervalMs: 15_000 });
  return (
    <View polled={polled} isEmpty={(l) => l.series.length === 0} empty={<Empty title={t("metrics.no_series")}><p>{t("metrics.no_series_text")}</p></Empty>}>
      {(latest) => <Values latest={latest} zone={zone} />}
    </View>
  );
}
