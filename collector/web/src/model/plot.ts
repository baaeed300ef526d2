// From an answer of the collector to what is drawn: columns for the plot, segments for the strip, sums for the legend.

import type { QueriedSeries, QueryAnswer } from "../api/telemetry";
import type { DoubtSpan } from "./doubt";
import { breakLine, commonGaps, tidyGaps, type Gap } from "./gaps";
import { thinnedSpans, type Span } from "./thinned";

export type Cell = number | null | undefined;

export interface PlotLine {
  mean: Cell[];
  min: Cell[];
  max: Cell[];
  gaps: Gap[];
  /** Over what is known of the range; null when nothing is. */
  lowest: number | null;
  highest: number | null;
  latest: number | null;
}

export interface PlotData {
  fromMs: number;
  toMs: number;
  stepMs: number;
  t: number[];
  lines: PlotLine[];
  gaps: Gap[];
  /** Where a line stands for more samples than there are. */
  thinned: Span[];
  /** Where the times may be wrong. */
  doubts: DoubtSpan[];
  isEmpty: boolean;
}

function known(values: readonly Cell[]): number[] {
  return values.filter((v): v is number => typeof v === "number");
}

function extreme(values: number[], pick: (a: number, b: number) => number): number | null {
  return values.length === 0 ? null : values.reduce((a, b) => pick(a, b));
}

function plotLine(series: QueriedSeries, answer: QueryAnswer, intervalMs: number): PlotLine {
  const gaps = tidyGaps(series.gaps, answer.from_unix_ms, answer.to_unix_ms, answer.step_ms);
  const column = (values: readonly (number | null)[]): Cell[] => breakLine(series.points.t, values, gaps, answer.step_ms, intervalMs);
  const [mean, min, max] = [column(series.points.mean), column(series.points.min), column(series.points.max)];
  return {
    mean,
    min,
    max,
    gaps,
    lowest: extreme(known(min), Math.min),
    highest: extreme(known(max), Math.max),
    latest: known(mean).at(-1) ?? null,
  };
}

const NO_LINE: PlotLine = { mean: [], min: [], max: [], gaps: [], lowest: null, highest: null, latest: null };

/** One line per wanted series, in the order asked for; a series the collector does not return is an empty line. */
export function plotData(answer: QueryAnswer, wanted: readonly { id: number; interval_ms: number }[]): PlotData {
  const lines = wanted.map((w) => {
    const series = answer.series.find((s) => s.id === w.id);
    return series === undefined ? NO_LINE : plotLine(series, answer, w.interval_ms);
  });
  const present = lines.filter((l) => l.mean.length > 0);
  return {
    fromMs: answer.from_unix_ms,
    toMs: answer.to_unix_ms,
    stepMs: answer.step_ms,
    t: answer.series[0]?.points.t ?? [],
    lines,
    gaps: commonGaps(present.map((l) => l.gaps)),
    thinned: thinnedSpans(answer.series.map((s) => s.thinned), answer.from_unix_ms, answer.to_unix_ms),
    doubts: answer.series.flatMap((s) => s.doubts),
    isEmpty: present.every((l) => l.latest === null),
  };
}

/** Running sums, bottom up.  Where a part is not known, neither is the sum; hidden lines add nothing. */
export function stack(columns: readonly (readonly Cell[])[], hidden: ReadonlySet<number>): Cell[][] {
  const sums: Cell[] = [];
  return columns.map((column, line) => {
    if (!hidden.has(line)) {
      column.forEach((v, i) => {
        const below = sums.length > i ? sums[i] : 0;
        sums[i] = typeof v === "number" && typeof below === "number" ? below + v : v === undefined || below === undefined ? undefined : null;
      });
    }
    return [...sums];
  });
}

export type StripState = "up" | "failing" | "unknown";

export interface StripSegment {
  fromMs: number;
  toMs: number;
  state: StripState;
  reason: Gap["reason"] | null;
}

/** A probe's timeline: failing when any of a step's probes failed, unknown where nothing is known. */
export function stripSegments(data: PlotData): StripSegment[] {
  const line = data.lines[0] ?? NO_LINE;
  const out: StripSegment[] = [];
  let before: StripState = "unknown";
  data.t.forEach((t, i) => {
    const low = line.min[i];
    const gap = line.gaps.find((g) => g.fromMs < t + data.stepMs && g.toMs > t);
    // An empty step in covered time says nothing new: the state before it goes on.
    const state: StripState = low === undefined ? before : low === null ? "unknown" : low < 1 ? "failing" : "up";
    const reason = state === "unknown" ? (gap?.reason ?? null) : null;
    before = state;
    const last = out[out.length - 1];
    if (last !== undefined && last.state === state && last.reason === reason) {
      last.toMs = t + data.stepMs;
    } else {
      out.push({ fromMs: t, toMs: t + data.stepMs, state, reason });
    }
  });
  return out;
}

export interface Availability {
  /** Share of the known time in which the probe was up; null when nothing is known. */
  upPct: number | null;
  unknownPct: number;
}

export function availability(data: PlotData): Availability {
  const line = data.lines[0] ?? NO_LINE;
  const means = known(line.mean);
  const blank = line.mean.filter((v) => v === null).length;
  const upPct = means.length === 0 ? null : (100 * means.reduce((a, b) => a + b, 0)) / means.length;
  return { upPct, unknownPct: line.mean.length === 0 ? 100 : (100 * blank) / line.mean.length };
}
