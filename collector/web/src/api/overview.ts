// The overview: every site with its state, in one answer.

import { array, nullable, num, object, oneOf, record, str, withDefault, type Decoded } from "./decode";
import { getJson, type Result } from "./http";

export const SITE_STATES = ["up", "down", "unknown", "never"] as const;
export type SiteState = (typeof SITE_STATES)[number];

const decodeOverviewSite = object({
  id: str,
  name: str,
  region: withDefault(str, ""),
  zone: str,
  tags: withDefault(record(str), {}),
  state: oneOf(...SITE_STATES),
  devices: object({ up: num, down: num, unknown: num, never: num }),
  data_until_unix_ms: nullable(num),
  last_seen_unix_ms: nullable(num),
  oldest_data_until_unix_ms: nullable(num),
  probes: object({ ok: num, failing: num, unknown: num }),
  /** What devices that are up are filling in. */
  backlog: withDefault(object({ devices: num, batches: num }), { devices: 0, batches: 0 }),
  cpu_used_pct: nullable(num),
  memory_used_pct: nullable(num),
  incidents: withDefault(object({ info: num, warning: num, critical: num }), { info: 0, warning: 0, critical: 0 }),
});
export type OverviewSite = Decoded<typeof decodeOverviewSite>;

export const decodeOverview = object({
  now_unix_ms: num,
  sites: array(decodeOverviewSite),
  identity_conflicts: withDefault(array(object({ device: str, name: str, site: str, last_unix_ms: num })), []),
  totals: object({ sites: num, up: num, down: num, unknown: num, never: num, devices: num }),
});
export type Overview = Decoded<typeof decodeOverview>;

export function getOverview(signal?: AbortSignal): Promise<Result<Overview>> {
  return getJson("/overview", decodeOverview, signal);
}
