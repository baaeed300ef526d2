// What did not arrive and why (gaps), what arrived and could not be used (set aside), and the collector's own state.

import { array, bool, nullable, num, object, oneOf, record, str, withDefault, type Decoded } from "./decode";
import { getJson, queryString, send, type Result } from "./http";

export const decodeGaps = object({
  items: array(
    object({
      device: str,
      stream: str,
      seq_first: nullable(num),
      seq_last: nullable(num),
      from_unix_ms: nullable(num),
      to_unix_ms: nullable(num),
      not_before_unix_ms: nullable(num),
      not_after_unix_ms: nullable(num),
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
      repeats: withDefault(num, 0),
      kept: withDefault(bool, true),
      tried_unix_ms: nullable(num),
    }),
  ),
  next: nullable(str),
});
export type SetAside = Decoded<typeof decodeSetAside>;
export type SetAsideItem = SetAside["items"][number];

const unexplained = object({ gaps: num, batches: num, unanswered: num, since_unix_ms: nullable(num) });
const sum = { reason: str, entries: num, batches: num, samples: num, time_ms: num };

/** The ledger in figures. */
export const decodeGapTotals = object({
  unexplained,
  reasons: array(object(sum)),
  devices: array(
    object({
      device: str,
      unexplained: num,
      reasons: array(object({ ...sum, first_unix_ms: nullable(num), last_unix_ms: nullable(num) })),
    }),
  ),
  more_devices: bool,
  buckets: array(object({ from_unix_ms: num, time_ms: record(num) })),
});
export type GapTotals = Decoded<typeof decodeGapTotals>;
export type GapBucket = GapTotals["buckets"][number];

/** What nothing explains, one by one. */
export const decodeUnexplained = object({
  unexplained,
  items: array(
    object({
      device: str,
      stream: str,
      what: oneOf("unanswered", "vanished", "hole", "samples"),
      seq_first: nullable(num),
      seq_last: nullable(num),
      from_unix_ms: nullable(num),
      to_unix_ms: nullable(num),
      samples: nullable(num),
      since_unix_ms: nullable(num),
    }),
  ),
});
export type Unexplained = Decoded<typeof decodeUnexplained>;
export type Missing = Unexplained["items"][number];

/** How a try of what was set aside goes. */
export const decodeRequeue = object({
  matching: nullable(num),
  running: bool,
  begun_unix_ms: nullable(num),
  ended_unix_ms: nullable(num),
  tried: num,
  taken: num,
  kept: num,
  expired: num,
  later: num,
});
export type Requeue = Decoded<typeof decodeRequeue>;

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
  unexplained: num,
  requeued: num,
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

export function gapTotals(filter: { from: number; to: number; step: number }, signal?: AbortSignal): Promise<Result<GapTotals>> {
  return getJson(`/gaps/totals${queryString(filter)}`, decodeGapTotals, signal);
}

export function listUnexplained(signal?: AbortSignal): Promise<Result<Unexplained>> {
  return getJson("/gaps/unexplained?limit=200", decodeUnexplained, signal);
}

export function getRequeue(signal?: AbortSignal): Promise<Result<Requeue>> {
  return getJson("/set-aside/requeue", decodeRequeue, signal);
}

/** Without ids: all of the list. */
export function requeue(ids?: readonly string[]): Promise<Result<Requeue>> {
  return send({ method: "POST", path: "/set-aside/requeue", body: ids === undefined ? {} : { ids } }, decodeRequeue);
}
