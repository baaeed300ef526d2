// What a question about a metric is, in the URL and by default; and its answer as what the charts draw.

import { AGGS, GROUPINGS, type Agg, type Grouping, type Metric, type MetricAnswer, type MetricCatalogue, type MetricGroup, type MetricLabels, type Question } from "../api/metrics";
import type { Language } from "../api/session";
import { commonGaps, type Gap, type Reason } from "./gaps";
import type { PlotData, PlotLine } from "./plot";
import type { Unit } from "./units";

/** More lines than this are no picture any more; the others stay in the table and the file. */
export const MOST_LINES = 8;

const OF_COUNTERS: readonly Agg[] = ["increase", "rate"];
const OF_BOTH: readonly Agg[] = ["min", "max", "count"];

export function isCounter(metric: Metric): boolean {
  return metric.kinds.includes("counter") && !metric.kinds.includes("gauge");
}

/** Which aggregates a metric takes: a counter's mean says nothing, a gauge does not grow. */
export function aggsOf(metric: Metric | undefined): Agg[] {
  if (metric === undefined) {
    return [...AGGS];
  }
  const takes = (agg: Agg): boolean =>
    OF_BOTH.includes(agg) || (OF_COUNTERS.includes(agg) ? metric.kinds.includes("counter") : metric.kinds.includes("gauge"));
  return AGGS.filter(takes);
}

export function defaultAgg(metric: Metric | undefined): Agg {
  return metric !== undefined && isCounter(metric) ? "rate" : "avg";
}

function text(params: URLSearchParams, key: string): string | null {
  const value = params.get(key);
  return value === null || value === "" ? null : value;
}

/** Of which labels not all values were listed, and how many were; `labels`: so many labels, and not all. */
export function cutLabels(of: MetricLabels | undefined): { values: { key: string; n: number }[]; labels: number | null } {
  const values = (of?.items ?? []).filter((l) => l.more).map((l) => ({ key: l.key, n: l.values.length }));
  return { values, labels: of?.more === true ? of.items.length : null };
}

/** null: no metric is chosen. */
export function readQuestion(params: URLSearchParams, metrics: readonly Metric[]): Question | null {
  const name = text(params, "metric");
  if (name === null) {
    return null;
  }
  const metric = metrics.find((m) => m.name === name);
  const agg = aggsOf(metric).find((a) => a === params.get("agg")) ?? defaultAgg(metric);
  return {
    metric: name,
    agg,
    group: GROUPINGS.find((g) => g === params.get("group")) ?? "all",
    groupLabel: text(params, "group_label"),
    site: text(params, "site"),
    region: text(params, "region"),
    device: text(params, "device"),
    labels: text(params, "labels"),
  };
}

const KEYS = { metric: "metric", agg: "agg", group: "group", groupLabel: "group_label", site: "site", region: "region", device: "device", labels: "labels" } as const;

/** The range in the URL stays as it is. */
export function writeQuestion(change: Partial<Question>, params: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams(params);
  for (const [name, key] of Object.entries(KEYS)) {
    const value = change[name as keyof Question];
    if (value === null) {
      out.delete(key);
    } else if (value !== undefined) {
      out.set(key, value);
    }
  }
  return out;
}

/** Another metric has other aggregates and labels; where it was looked at stays. */
export function chooseMetric(metric: string, params: URLSearchParams): URLSearchParams {
  const out = writeQuestion({ metric, groupLabel: null, labels: null }, params);
  out.delete("agg");
  if (out.get("group") === "label") {
    out.delete("group");
  }
  return out;
}

/** "mode=user": what the collector takes as a filter, with what has a meaning there behind a backslash. */
export function labelFilter(key: string, value: string): string {
  const quote = (s: string): string => s.replace(/[\\,=]/g, (c) => `\\${c}`);
  return `${quote(key)}=${quote(value)}`;
}

export interface MetricWords {
  /** One sentence; null: the collector does not know this metric. */
  description: string | null;
  /** As people write it; null: a bare number. */
  unit: string | null;
}

/** What a metric is, in the page's language.  One that the collector does not know still has the unit of its series. */
export function wordsOf(catalogue: MetricCatalogue | undefined, name: string, unit: string, language: Language): MetricWords {
  const key = language === "zh-CN" ? "zh" : "en";
  const text = catalogue?.units.find((u) => u.name === unit)?.text[key] ?? (unit === "1" ? "" : unit);
  return { description: catalogue?.items.find((m) => m.name === name)?.description[key] ?? null, unit: text === "" ? null : text };
}

const UNITS = new Map<string, Unit>([["pct", "pct"], ["%", "pct"], ["bytes", "bytes"], ["B", "bytes"], ["ms", "ms"], ["days", "days"], ["d", "days"], ["code", "code"]]);
const PER_SECOND: Partial<Record<Unit, Unit>> = { bytes: "bytes_per_s", count: "per_s" };

/** How numbers are written.  A rate's unit comes as "bytes/s". */
export function unitOf(unit: string, agg: Agg): Unit {
  if (agg === "count") {
    return "count";
  }
  const base = UNITS.get(unit.replace(/\/s$/, "")) ?? "count";
  return agg === "rate" ? (PER_SECOND[base] ?? base) : base;
}

const REASONS = new Map<string, Reason>([
  ["no_data", "no_values"], ["unknown_value", "unknown_value"], ["future", "pending"],
  ["not_yet_installed", "not_yet_installed"], ["not_in_service", "not_in_service"],
]);

function gapsOf(group: MetricGroup): Gap[] {
  return group.gaps.map((g) => ({ fromMs: g.from_unix_ms, toMs: g.to_unix_ms, reason: REASONS.get(g.reason) ?? "other" }));
}

function known(group: MetricGroup): number[] {
  return group.value.filter((v): v is number => v !== null);
}

function line(group: MetricGroup): PlotLine {
  const values = known(group);
  const nothing = group.value.map(() => null);
  return {
    mean: group.value,
    min: nothing,
    max: nothing,
    gaps: gapsOf(group),
    lowest: values.length === 0 ? null : values.reduce((a, b) => Math.min(a, b)),
    highest: values.length === 0 ? null : values.reduce((a, b) => Math.max(a, b)),
    latest: values.at(-1) ?? null,
  };
}

/** Groups with the highest latest value first: of many they are the ones worth a line. */
export function byLatest(groups: readonly MetricGroup[]): MetricGroup[] {
  const latest = (g: MetricGroup): number => known(g).at(-1) ?? -Infinity;
  return [...groups].sort((a, b) => latest(b) - latest(a));
}

export function plotOf(answer: MetricAnswer, groups: readonly MetricGroup[]): PlotData {
  const lines = groups.map(line);
  return {
    fromMs: answer.from_unix_ms,
    toMs: answer.to_unix_ms,
    stepMs: answer.step_ms,
    t: answer.t,
    lines,
    gaps: commonGaps(lines.map((l) => l.gaps)),
    thinned: [],
    doubts: [],
    isEmpty: lines.every((l) => l.lowest === null),
  };
}

/** The coarsest that was read: "5m" when a part of it came from roll-ups of five minutes. */
export function levelsOf(answer: MetricAnswer): ("raw" | "5m" | "1h")[] {
  return (["raw", "5m", "1h"] as const).filter((level) => answer.resolution.some((r) => r.level === level));
}

/** Of a group over the range: how many of its series had a value, on average over the steps that are not in the future. */
export function shareCovered(group: MetricGroup): number | null {
  const open = group.gaps.filter((g) => g.reason === "future");
  const steps = group.covered.length;
  if (steps === 0 || group.series === 0) {
    return null;
  }
  const sum = group.covered.reduce((a, b) => a + b, 0);
  return open.length > 0 && sum === 0 ? null : Math.min(1, sum / (group.series * steps));
}

export type { Agg, Grouping, Question };
