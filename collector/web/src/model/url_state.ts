// View state lives in the URL, so that a page can be sent to a colleague and the back button works.  What does not parse is ignored.

import { SITE_STATES } from "../api/overview";
import type { OverviewFilter } from "./overview";

export function readFilter(params: URLSearchParams): OverviewFilter {
  const state = params.get("state");
  return {
    text: params.get("q") ?? "",
    state: state === "late" ? "late" : (SITE_STATES.find((s) => s === state) ?? null),
    region: params.get("region"),
    tag: params.get("tag"),
  };
}

export function writeFilter(filter: OverviewFilter): URLSearchParams {
  const out = new URLSearchParams();
  if (filter.text !== "") {
    out.set("q", filter.text);
  }
  for (const key of ["state", "region", "tag"] as const) {
    const value = filter[key];
    if (value !== null) {
      out.set(key, value);
    }
  }
  return out;
}

export const LAST_MS = {
  "15m": 900_000,
  "1h": 3_600_000,
  "6h": 21_600_000,
  "24h": 86_400_000,
  "7d": 604_800_000,
} as const;
export type Last = keyof typeof LAST_MS;

/** Either the last so-and-so-long, which moves with the clock, or a fixed stretch. */
export type TimeRange = { last: Last } | { fromMs: number; toMs: number };

export const DEFAULT_RANGE: TimeRange = { last: "1h" };

function isLast(text: string): text is Last {
  return Object.hasOwn(LAST_MS, text);
}

// Shorter than this a chart shows single samples; longer than a year is a slip of the finger.
export const SHORTEST_MS = 60_000;
export const LONGEST_MS = 366 * 86_400_000;

export function readRange(params: URLSearchParams): TimeRange {
  const last = params.get("last");
  if (last !== null && isLast(last)) {
    return { last };
  }
  const from = Number(params.get("from") ?? "");
  const to = Number(params.get("to") ?? "");
  const isSane = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from > 0 && to - from >= SHORTEST_MS && to - from <= LONGEST_MS;
  return isSane ? { fromMs: from, toMs: to } : DEFAULT_RANGE;
}

export function writeRange(range: TimeRange, params: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams(params);
  for (const key of ["last", "from", "to"]) {
    out.delete(key);
  }
  if ("last" in range) {
    out.set("last", range.last);
  } else {
    out.set("from", String(range.fromMs));
    out.set("to", String(range.toMs));
  }
  return out;
}

export function resolveRange(range: TimeRange, nowMs: number): { fromMs: number; toMs: number } {
  return "last" in range ? { fromMs: nowMs - LAST_MS[range.last], toMs: nowMs } : range;
}
