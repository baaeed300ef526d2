// Ways in and reasons of refusals, in words; what a newer agent says is shown as it says it.

import type { TFunction } from "i18next";

const INLETS = ["steps", "http", "statsd", "scrape", "drop", "loglines"] as const;

export const REFUSALS = [
  "bad_lines", "not_stored", "late", "refused_clients", "failed_pages", "duplicates", "bad_name", "bad_label", "own_name", "other_kind", "too_many_series", "bad_value",
  "no_memory", "too_long", "dropped_packets", "set_full", "events_refused", "bad_reports", "bad_requests", "foreign", "unauthorized", "too_large", "busy", "too_slow",
  "bad_files", "unreadable", "refused_reports", "long_lines", "costly_lines", "skipped_bytes", "lost_lines", "lost_files",
  "user_clients", "bad_time", "stamped_refused", "bad_frames", "no_token",
] as const;

function known<const T extends string>(all: readonly T[], word: string): T | undefined {
  return all.find((x) => x === word);
}

export function inletName(inlet: string, t: TFunction): string {
  const name = known(INLETS, inlet);
  return name === undefined ? inlet : t(`device.inlet_name_${name}`);
}

export function refusedText(reason: string, t: TFunction): string {
  const name = known(REFUSALS, reason);
  return name === undefined ? reason : t(`device.refused_${name}`);
}
