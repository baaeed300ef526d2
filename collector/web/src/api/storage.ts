// What the collector keeps, for how long, and how it packs what is older.

import { array, nullable, num, object, oneOf, str, withDefault, type Decoded } from "./decode";
import { getJson, type Result } from "./http";

const level = object({
  parts: num,
  files: num,
  bytes: num,
  samples: nullable(num),
  from_unix_ms: nullable(num),
  to_unix_ms: nullable(num),
  keep_ms: nullable(num),
});
export type StoredLevel = Decoded<typeof level>;

export const decodeStorage = object({
  raw: level,
  five_minutes: level,
  hours: level,
  events_keep_ms: nullable(num),
  database: object({ bytes: num, batches: num, waiting_batches: nullable(num) }),
  compaction: object({
    state: oneOf("off", "idle", "working", "failing"),
    why: nullable(str),
    packed_until_unix_ms: nullable(num),
    last_unix_ms: nullable(num),
    samples: num,
    parts_written: num,
    parts_rewritten: num,
    late_hours: num,
    files_deleted: num,
    bytes_written: num,
    bytes_given_back: withDefault(num, 0),
    due_hours: withDefault(num, 0),
  }),
  damaged: object({
    count: num,
    checked_unix_ms: nullable(num),
    items: array(object({ part: num, file: str, hour_unix_ms: num, why: str })),
  }),
  age_held_ms: withDefault(nullable(num), null),
  disk_free_bytes: nullable(num),
  latest: object({ series: num, refused: num, bytes: num }),
});
export type Storage = Decoded<typeof decodeStorage>;

export function getStorage(signal?: AbortSignal): Promise<Result<Storage>> {
  return getJson("/storage", decodeStorage, signal);
}
