// Metrics over many devices: which there are, what a question about one answers, its newest values.

import { array, bool, nullable, num, object, oneOf, page, record, str, withDefault, type Decoded } from "./decode";
import { getAll, getJson, queryString, type Param, type Result } from "./http";

export const AGGS = ["avg", "min", "max", "sum", "total", "count", "increase", "rate", "p50", "p75", "p90", "p95", "p99"] as const;
export type Agg = (typeof AGGS)[number];
export const GROUPINGS = ["all", "site", "region", "device", "label"] as const;
export type Grouping = (typeof GROUPINGS)[number];

const kind = oneOf("gauge", "counter");

const decodeMetric = object({
  name: str,
  unit: withDefault(str, ""),
  kinds: array(kind),
  series: num,
  devices: num,
  interval_ms: nullable(num),
});
export type Metric = Decoded<typeof decodeMetric>;
export const decodeMetrics = page(decodeMetric);

const words = object({ en: str, zh: str });
export const decodeMetricCatalogue = object({
  units: array(object({ name: str, text: words })),
  items: array(object({ name: str, area: str, kind, unit: str, description: words })),
});
export type MetricCatalogue = Decoded<typeof decodeMetricCatalogue>;

export const decodeMetricLabels = object({
  metric: str,
  items: array(object({ key: str, values: array(str), more: bool })),
  more: bool,
});
export type MetricLabels = Decoded<typeof decodeMetricLabels>;

export const decodeMetricQuery = object({
  metric: str,
  unit: withDefault(str, ""),
  agg: oneOf(...AGGS),
  from_unix_ms: num,
  to_unix_ms: num,
  step_ms: num,
  resolution: array(object({ from_unix_ms: num, to_unix_ms: num, level: oneOf("raw", "5m", "1h") })),
  relative_error: nullable(num),
  series: num,
  left_out: num,
  samples: num,
  unknown: num,
  t: array(num),
  groups: array(
    object({
      key: nullable(str),
      name: nullable(str),
      series: num,
      value: array(nullable(num)),
      n: array(num),
      covered: array(num),
      unknown: array(num),
      gaps: array(object({ from_unix_ms: num, to_unix_ms: num, reason: str })),
    }),
  ),
});
export type MetricAnswer = Decoded<typeof decodeMetricQuery>;
export type MetricGroup = MetricAnswer["groups"][number];

export const decodeMetricLatest = object({
  metric: str,
  unit: withDefault(str, ""),
  now_unix_ms: num,
  complete: bool,
  more: bool,
  series: array(num),
  device: array(str),
  site: array(nullable(str)),
  labels: array(record(str)),
  unix_ms: array(nullable(num)),
  value: array(nullable(num)),
  state: array(oneOf("current", "stale", "unknown")),
});
export type MetricLatest = Decoded<typeof decodeMetricLatest>;

/** What is asked, without its range. */
export interface Question {
  metric: string;
  agg: Agg;
  group: Grouping;
  groupLabel: string | null;
  site: string | null;
  region: string | null;
  device: string | null;
  labels: string | null;
}

export interface AskedRange {
  fromMs: number;
  toMs: number;
}

function params(q: Question): Record<string, Param> {
  return {
    metric: q.metric,
    agg: q.agg,
    group: q.group === "label" && q.groupLabel === null ? "all" : q.group,
    group_label: q.group === "label" ? q.groupLabel : null,
    site: q.site,
    region: q.region,
    device: q.device,
    labels: q.labels,
  };
}

export function listMetrics(signal?: AbortSignal): Promise<Result<Metric[]>> {
  return getAll("/metrics", {}, decodeMetrics, signal);
}

/** What every metric is, in words; the same for as long as the collector runs. */
export function metricCatalogue(signal?: AbortSignal): Promise<Result<MetricCatalogue>> {
  return getJson("/metrics/catalogue", decodeMetricCatalogue, signal);
}

export function metricLabels(metric: string, signal?: AbortSignal): Promise<Result<MetricLabels>> {
  return getJson(`/metrics/labels${queryString({ metric })}`, decodeMetricLabels, signal);
}

/** points: about how many steps; the collector says which length it took. */
export function queryMetric(q: Question, range: AskedRange, points: number, signal?: AbortSignal): Promise<Result<MetricAnswer>> {
  return getJson(`/metrics/query${queryString({ ...params(q), from: range.fromMs, to: range.toMs, points })}`, decodeMetricQuery, signal);
}

export function latestOfMetric(q: Question, limit: number, signal?: AbortSignal): Promise<Result<MetricLatest>> {
  const { metric, site, region, device, labels } = params(q);
  return getJson(`/metrics/latest${queryString({ metric, site, region, device, labels, limit })}`, decodeMetricLatest, signal);
}

/** Where the same answer is as CSV (stepMs), or every sample of it (null).  With the mark by which spreadsheets know UTF-8. */
export function exportUrl(q: Question, range: AskedRange, stepMs: number | null): string {
  const asked = params(q);
  const what = stepMs === null ? { ...asked, agg: null, group: null, group_label: null } : { ...asked, step: stepMs };
  return `/api/v1/metrics/export${queryString({ ...what, from: range.fromMs, to: range.toMs, bom: true })}`;
}
