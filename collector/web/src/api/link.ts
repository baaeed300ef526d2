// The history of a device's link: what came at once, was filled in, will never come, is still to come.

import { array, nullable, num, object, oneOf, str, type Decoded } from "./decode";
import { getJson, queryString, type Result } from "./http";
import type { QueryRange } from "./telemetry";

/** From the best to the worst. */
export const LINK_STATES = ["online", "filled_in", "thinned", "waiting", "unknown", "gap"] as const;
export type LinkState = (typeof LINK_STATES)[number];

const decodeSpan = object({
  from_unix_ms: num,
  to_unix_ms: num,
  state: oneOf(...LINK_STATES),
  reason: nullable(str),
  arrived_unix_ms: nullable(num),
  /** How much of it was in that state: less than the whole where the collector joined several. */
  lasted_ms: num,
});
export type LinkSpan = Decoded<typeof decodeSpan>;

export const decodeLink = object({
  from_unix_ms: num,
  to_unix_ms: num,
  late_ms: num,
  resolution_ms: num,
  total_ms: object({ online: num, filled_in: num, thinned: num, waiting: num, unknown: num, gap: num }),
  combined: array(decodeSpan),
  streams: array(object({ stream: oneOf("events", "probes", "host"), spans: array(decodeSpan) })),
});
export type LinkHistory = Decoded<typeof decodeLink>;

export function getLink(device: string, range: Pick<QueryRange, "fromMs" | "toMs">, signal?: AbortSignal): Promise<Result<LinkHistory>> {
  const query = queryString({ from: range.fromMs, to: range.toMs });
  return getJson(`/devices/${encodeURIComponent(device)}/link${query}`, decodeLink, signal);
}
