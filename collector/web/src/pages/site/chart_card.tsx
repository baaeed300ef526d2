// One chart: asks for its series when it comes into view, and again while the range is live.

import { useMemo, useRef, useState, type ReactElement } from "react";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";

import { serverNowMs } from "../../api/http";
import { querySeries, type QueryAnswer } from "../../api/telemetry";
import { ink, type Ink } from "../../chart/palette";
import { Plot } from "../../chart/plot";
import { Strip } from "../../chart/strip";
import { useSeen } from "../../chart/use_seen";
import type { Chart } from "../../model/charts";
import { sumByReason } from "../../model/gaps";
import { plotData, type PlotData } from "../../model/plot";
import { totalMs } from "../../model/thinned";
import { alignRange, stepFor } from "../../model/range";
import { formatValue } from "../../model/units";
import { resolveRange, type TimeRange } from "../../model/url_state";
import { spanText } from "../../ui/age";
import { errorText } from "../../ui/error_text";
import { useIsDark } from "../../ui/theme";
import { usePoll, type Polled } from "../../ui/use_poll";
import { Legend } from "./legend";
import { chartTitle, lineText } from "./names";

export const LIVE_MS = 10_000;
const HEIGHT_PX = 190;

interface Props {
  chart: Chart;
  range: TimeRange;
  zone: string;
  onZoom: (fromMs: number, toMs: number) => void;
}

function summaryText(title: string, data: PlotData, names: string[], chart: Chart, t: TFunction): string {
  const lines = data.lines.map((l, i) =>
    t("chart.summary_line", {
      name: names[i] ?? "",
      latest: formatValue(l.latest, chart.unit),
      min: formatValue(l.lowest, chart.unit),
      max: formatValue(l.highest, chart.unit),
    }),
  );
  const missing = sumByReason(data.gaps).reduce((sum, s) => sum + s.totalMs, 0);
  const thinned = totalMs(data.thinned);
  const notes = [
    ...(missing > 0 ? [t("chart.summary_gaps", { span: spanText(missing, t) })] : []),
    ...(thinned > 0 ? [t("chart.thinned_item", { span: spanText(thinned, t) })] : []),
  ];
  return t("chart.summary", { title, lines: lines.join(", "), gaps: notes.join("; ") });
}

function Body({ chart, data, zone, onZoom, title, inks }: Props & { data: PlotData; title: string; inks: Ink }): ReactElement {
  const { t } = useTranslation();
  const [cursor, setCursor] = useState<number | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const names = useMemo(() => chart.lines.map((l) => lineText(l.name, t) || title), [chart, t, title]);
  const input = useMemo(
    () => ({ data, names, hidden, isStack: chart.kind === "stack", unit: chart.unit, max: chart.max, zone, ink: inks }),
    [data, names, hidden, chart, zone, inks],
  );
  const toggle = (line: number): void => {
    const next = new Set(hidden);
    if (!next.delete(line)) {
      next.add(line);
    }
    setHidden(next);
  };
  return (
    <>
      <div className="plot-frame">
        <Plot input={input} height={HEIGHT_PX} summary={summaryText(title, data, names, chart, t)} onCursor={setCursor} onZoom={onZoom} />
        {data.isEmpty && <p className="plot-empty">{t("chart.empty")}</p>}
      </div>
      <Legend data={data} names={names} unit={chart.unit} zone={zone} ink={inks} cursor={cursor} hidden={hidden} onToggle={toggle} />
      {chart.omitted > 0 && <p className="is-faint">{t("chart.omitted", { count: chart.omitted })}</p>}
    </>
  );
}

function Failure({ polled }: { polled: Polled<QueryAnswer> }): ReactElement | null {
  const { t } = useTranslation();
  const { error } = polled.poll;
  if (error === undefined) {
    return null;
  }
  return (
    <div className="chart-failure" role="alert">
      <span className="is-lines">{polled.value === undefined ? errorText(error, t) : t("view.stale_short")}</span>{" "}
      <button type="button" className="link-button" onClick={polled.refresh}>{t("error.retry")}</button>
    </div>
  );
}

export function ChartCard(props: Props): ReactElement {
  const { chart, range, zone } = props;
  const { t } = useTranslation();
  const card = useRef<HTMLElement>(null);
  const isSeen = useSeen(card);
  const isDark = useIsDark();
  const inks = useMemo(() => ink(isDark), [isDark]);
  const isLive = "last" in range;
  const ids = chart.lines.map((l) => l.series.id);
  const title = chartTitle(chart, t);

  const load = (signal: AbortSignal): ReturnType<typeof querySeries> => {
    const wanted = resolveRange(range, serverNowMs());
    const interval = Math.max(0, ...chart.lines.map((l) => l.series.interval_ms));
    const stepMs = stepFor(wanted.toMs - wanted.fromMs, card.current?.clientWidth ?? 600, interval);
    return querySeries(ids, { ...alignRange(wanted.fromMs, wanted.toMs, stepMs), stepMs }, chart.rate, signal);
  };
  const polled = usePoll(load, {
    key: `${ids.join(",")}|${JSON.stringify(range)}`,
    intervalMs: isLive ? LIVE_MS : 0,
    enabled: isSeen,
    keep: true,
  });
  const data = useMemo(() => (polled.value === undefined ? null : plotData(polled.value, chart.lines.map((l) => l.series))), [polled.value, chart]);

  return (
    <section ref={card} className={`chart-card is-${chart.kind}`} aria-label={title}>
      <h3>{title}</h3>
      <Failure polled={polled} />
      {data === null ? (
        <div className={chart.kind === "strip" ? "chart-wait is-strip" : "chart-wait"} role="status">
          {polled.poll.error === undefined && <span className="visually-hidden">{t("view.loading")}</span>}
        </div>
      ) : chart.kind === "strip" ? (
        <Strip data={data} zone={zone} />
      ) : (
        <Body {...props} data={data} title={title} inks={inks} />
      )}
    </section>
  );
}
