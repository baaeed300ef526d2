// What did not arrive and why (gaps), what arrived and could not be used (set aside), and the collector's own state.

import { array, bool, nullable, num, object, str, withDefault, type Decoded } from "./decode";
import { getJson, queryString, type Result } from "./http";

export const decodeGaps = object({
  items: array(
    object({
      device: str,
      stream: str,
      seq_first: nullable(num),
      seq_last: nullable(num),
      from_unix_ms: nullable(num),
      to_unix_ms: nullable(num),
      reason: str,
      samples: nullable(num),
      known_unix_ms: nullable(num),
    }),
  ),
  next: nullable(str),
  unexplained: num,
  unexplained_batches: num,
});
export type Gaps = Decoded<typeof decodeGaps>;
export type Gap = Gaps["items"][number];

export const decodeSetAside = object({
  items: array(
    object({
      id: (raw: unknown) => String(raw),
      arrived_unix_ms: num,
      topic: withDefault(str, ""),
      device: nullable(str),
      part: nullable(num),
      reason: str,
      detail: withDefault(str, ""),
      bytes: nullable(num),
    }),
  ),
  next: nullable(str),
});
export type SetAside = Decoded<typeof decodeSetAside>;
export type SetAsideItem = SetAside["items"][number];

export const decodeStatus = object({
  version: str,
  epoch: str,
  started_unix_ms: num,
  now_unix_ms: num,
  broker: object({ live: str, past: str, why: nullable(str) }),
  batches: num,
  samples: num,
  set_aside: num,
  conflicts: num,
  last_commit_unix_ms: nullable(num),
  store_bytes: nullable(num),
  store: object({
    ok: bool,
    why: nullable(str),
    disk_free_bytes: nullable(num),
    disk_full: bool,
    damaged: nullable(object({ file: str, salvaging: bool, percent: num, batches: num, unreadable: num })),
  }),
});
export type Status = Decoded<typeof decodeStatus>;

export interface GapFilter {
  device?: string | null;
  site?: string | null;
  from?: number | null;
  to?: number | null;
}

export function listGaps(filter: GapFilter, signal?: AbortSignal): Promise<Result<Gaps>> {
  return getJson(`/gaps${queryString({ ...filter, limit: 500 })}`, decodeGaps, signal);
}

export function listSetAside(signal?: AbortSignal): Promise<Result<SetAside>> {
  return getJson("/set-aside?limit=500", decodeSetAside, signal);
}

export function getStatus(signal?: AbortSignal): Promise<Result<Status>> {
  return getJson("/status", decodeStatus, signal);
}
