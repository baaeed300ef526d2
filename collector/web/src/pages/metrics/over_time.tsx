// The answer over time: a line a group, what it is made of, and the groups as a table and as a file.

import { DownloadOutlined } from "@ant-design/icons";
import { useMemo, useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { serverNowMs } from "../../api/http";
import { exportUrl, queryMetric, type MetricAnswer, type MetricGroup, type Question } from "../../api/metrics";
import { ink } from "../../chart/palette";
import { Plot } from "../../chart/plot";
import { formatShare } from "../../model/amounts";
import { byLatest, levelsOf, MOST_LINES, plotOf, shareCovered, unitOf } from "../../model/explore";
import { formatValue } from "../../model/units";
import { resolveRange, type TimeRange } from "../../model/url_state";
import { durationText } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { useIsDark } from "../../ui/theme";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { Legend } from "../site/legend";

const [HEIGHT_PX, POINTS] = [300, 400];
/** A question over many devices costs more than a site's chart. */
export const LIVE_MS = 30_000;

interface Props {
  question: Question;
  range: TimeRange;
  zone: string;
  onZoom: (fromMs: number, toMs: number) => void;
}

interface Row {
  group: MetricGroup;
  name: string;
  latest: number | null;
  low: number | null;
  high: number | null;
}

function useGroupName(question: Question): (group: MetricGroup) => string {
  const { t } = useTranslation();
  return (group) => group.name ?? group.key ?? (question.group === "all" ? t("metrics.group_all") : t("metrics.without"));
}

function Facts({ answer }: { answer: MetricAnswer }): ReactElement {
  const { t, i18n } = useTranslation();
  const n = (value: number): string => value.toLocaleString(i18n.language);
  return (
    <p className="answer-facts">
      <span>{t("metrics.made_of", { count: answer.series, samples: n(answer.samples) })}</span>
      <span>{t("metrics.step", { span: durationText(answer.step_ms, t) })}</span>
      <span>{t("metrics.read_from", { levels: levelsOf(answer).map((l) => t(`metrics.level_${l}`)).join(t("work.and")) || t("metrics.level_none") })}</span>
      {answer.relative_error !== null && <span>{t("metrics.error", { percent: answer.relative_error * 100 })}</span>}
      {answer.unknown > 0 && <span>{t("metrics.unknown", { count: answer.unknown, n: n(answer.unknown) })}</span>}
      {answer.left_out > 0 && <span>{t("metrics.left_out", { count: answer.left_out })}</span>}
    </p>
  );
}

function Covered({ group }: { group: MetricGroup }): ReactElement {
  const share = shareCovered(group);
  if (share === null) {
    return <>–</>;
  }
  return <span className="is-tabular"><span className="share" aria-hidden="true"><i style={{ width: `${100 * share}%` }} /></span>{formatShare(share)}</span>;
}

function Groups({ answer, question, name }: { answer: MetricAnswer; question: Question; name: (g: MetricGroup) => string }): ReactElement {
  const { t, i18n } = useTranslation();
  const unit = unitOf(answer.unit, answer.agg);
  const rows: Row[] = answer.groups.map((group) => {
    const known = group.value.filter((v): v is number => v !== null);
    return {
      group,
      name: name(group),
      latest: known.at(-1) ?? null,
      low: known.length === 0 ? null : known.reduce((a, b) => Math.min(a, b)),
      high: known.length === 0 ? null : known.reduce((a, b) => Math.max(a, b)),
    };
  });
  const to = { site: "/sites/", device: "/devices/" } as const;
  const columns: Column<Row>[] = [
    {
      key: "name", title: t(`metrics.group_${question.group === "label" ? "all" : question.group}`), sorter: (a, b) => a.name.localeCompare(b.name),
      render: (r) => (r.group.key !== null && (question.group === "site" || question.group === "device")
        ? <Link href={`${to[question.group]}${encodeURIComponent(r.group.key)}`}>{r.name}</Link> : r.name),
    },
    ...(["latest", "low", "high"] as const).map((key): Column<Row> => ({
      key, title: t(`metrics.${key}`), align: "right", width: 130, sorter: (a, b) => (a[key] ?? -Infinity) - (b[key] ?? -Infinity), render: (r) => formatValue(r[key], unit),
    })),
    { key: "series", title: t("metrics.series"), align: "right", width: 100, render: (r) => r.group.series.toLocaleString(i18n.language) },
    { key: "covered", title: t("metrics.covered"), width: 170, render: (r) => <Covered group={r.group} /> },
  ];
  return <DataTable keyOf={(r) => `${r.group.key ?? ""}|${r.name}`} columns={columns} rows={rows} minWidth={760} />;
}

function Files({ answer, question }: { answer: MetricAnswer; question: Question }): ReactElement {
  const { t } = useTranslation();
  const range = { fromMs: answer.from_unix_ms, toMs: answer.to_unix_ms };
  return (
    <p className="answer-files">
      <a href={exportUrl(question, range, answer.step_ms)} download><DownloadOutlined aria-hidden="true" /> {t("metrics.csv_steps")}</a>
      <a href={exportUrl(question, range, null)} download><DownloadOutlined aria-hidden="true" /> {t("metrics.csv_samples")}</a>
    </p>
  );
}

function Chart({ answer, question, zone, onZoom, name }: Omit<Props, "range"> & { answer: MetricAnswer; name: (g: MetricGroup) => string }): ReactElement {
  const { t } = useTranslation();
  const isDark = useIsDark();
  const inks = useMemo(() => ink(isDark), [isDark]);
  const [cursor, setCursor] = useState<number | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const groups = useMemo(() => byLatest(answer.groups).slice(0, MOST_LINES), [answer]);
  const data = useMemo(() => plotOf(answer, groups), [answer, groups]);
  const unit = unitOf(answer.unit, answer.agg);
  const names = groups.map(name);
  const input = { data, names, hidden, isStack: false, unit, max: null, zone, ink: inks };
  const toggle = (at: number): void => {
    const next = new Set(hidden);
    if (!next.delete(at)) {
      next.add(at);
    }
    setHidden(next);
  };
  const lines = data.lines.map((l, i) => t("chart.summary_line", {
    name: names[i] ?? "", latest: formatValue(l.latest, unit), min: formatValue(l.lowest, unit), max: formatValue(l.highest, unit),
  }));
  const title = t("metrics.title_of", { agg: t(`metrics.agg_${answer.agg}`), metric: answer.metric });
  return (
    <section className="chart-card" aria-label={title}>
      <h2>{title}</h2>
      <div className="plot-frame">
        <Plot input={input} height={HEIGHT_PX} summary={t("chart.summary", { title, lines: lines.join(", "), gaps: "" })} onCursor={setCursor} onZoom={onZoom} />
        {data.isEmpty && <p className="plot-empty">{t("chart.empty")}</p>}
      </div>
      <Legend data={data} names={names} unit={unit} zone={zone} ink={inks} cursor={cursor} hidden={hidden} onToggle={toggle} />
      {answer.groups.length > MOST_LINES && <p className="is-faint">{t("metrics.more_lines", { shown: MOST_LINES, all: answer.groups.length })}</p>}
      <Facts answer={answer} />
      <Files answer={answer} question={question} />
    </section>
  );
}

export function OverTime({ question, range, zone, onZoom }: Props): ReactElement {
  const { t } = useTranslation();
  const name = useGroupName(question);
  const polled = usePoll((signal) => queryMetric(question, resolveRange(range, serverNowMs()), POINTS, signal), {
    key: `${JSON.stringify(question)}|${JSON.stringify(range)}`,
    intervalMs: "last" in range ? LIVE_MS : 0,
  });
  return (
    <View polled={polled} isEmpty={(a) => a.series === 0} empty={<Empty title={t("metrics.no_series")}><p>{t("metrics.no_series_text")}</p></Empty>}>
      {(answer) => (
        <>
          <Chart key={`${answer.agg} ${answer.groups.length}`} answer={answer} question={question} zone={zone} onZoom={onZoom} name={name} />
          {answer.groups.length > 1 && <Groups answer={answer} question={question} name={name} />}
        </>
      )}
    </View>
  );
}
