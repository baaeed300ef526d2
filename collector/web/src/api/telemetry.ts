// Series, queries over a range, events.

import { anything, array, nullable, num, object, oneOf, page, record, str, withDefault, type Decoded } from "./decode";
import { getJson, queryString, type Result } from "./http";

const decodeSeries = object({
  id: num,
  name: str,
  unit: withDefault(str, ""),
  kind: oneOf("gauge", "counter"),
  stream: oneOf("host", "probes", "events"),
  interval_ms: withDefault(num, 0),
  labels: withDefault(record(str), {}),
  first_unix_ms: nullable(num),
  last_unix_ms: nullable(num),
});
export type Series = Decoded<typeof decodeSeries>;
export const decodeSeriesList = page(decodeSeries);

const decodeGapSpan = object({ from_unix_ms: num, to_unix_ms: num, reason: str });
export type GapSpan = Decoded<typeof decodeGapSpan>;

const decodeThinned = object({ from_unix_ms: num, to_unix_ms: num });
export type ThinnedSpan = Decoded<typeof decodeThinned>;
const decodeDoubtSpan = object({ from_unix_ms: num, to_unix_ms: num, uncertainty_ms: num });

const values = array(nullable(num));

export const decodeQuery = object({
  from_unix_ms: num,
  to_unix_ms: num,
  step_ms: num,
  series: array(
    object({
      id: num,
      name: str,
      unit: withDefault(str, ""),
      labels: withDefault(record(str), {}),
      points: object({ t: array(num), n: array(num), min: values, max: values, mean: values }),
      thinned: withDefault(array(decodeThinned), []),
      gaps: array(decodeGapSpan),
      doubts: withDefault(array(decodeDoubtSpan), []),
    }),
  ),
});
export type QueryAnswer = Decoded<typeof decodeQuery>;
export type QueriedSeries = QueryAnswer["series"][number];

export const decodeEvents = object({
  items: array(
    object({
      unix_ms: nullable(num),
      uncertainty_ms: nullable(num),
      boot_ms: nullable(num),
      type: str,
      attrs: withDefault(record(anything), {}),
      arrived_unix_ms: nullable(num),
    }),
  ),
});
export type DeviceEvent = Decoded<typeof decodeEvents>["items"][number];

export interface QueryRange {
  fromMs: number;
  toMs: number;
  stepMs: number;
}

/** All of them: this list has no pages. */
export async function listSeries(device: string, signal?: AbortSignal): Promise<Result<Series[]>> {
  const res = await getJson(`/devices/${encodeURIComponent(device)}/series`, decodeSeriesList, signal);
  return res.ok ? { ok: true, value: res.value.items } : res;
}

export function querySeries(ids: readonly number[], range: QueryRange, rate: boolean, signal?: AbortSignal): Promise<Result<QueryAnswer>> {
  const query = queryString({
    series: ids.join(","),
    from: range.fromMs,
    to: range.toMs,
    step: range.stepMs,
    rate: rate ? "true" : null,
  });
  return getJson(`/query${query}`, decodeQuery, signal);
}

export async function listEvents(device: string, fromMs: number, toMs: number, limit: number, signal?: AbortSignal): Promise<Result<DeviceEvent[]>> {
  const query = queryString({ from: fromMs, to: toMs, limit });
  const res = await getJson(`/devices/${encodeURIComponent(device)}/events${query}`, decodeEvents, signal);
  return res.ok ? { ok: true, value: res.value.items } : res;
}
