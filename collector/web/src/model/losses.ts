// Losses over time: what the ledger has, by reason, as bars of one day each.

import type { GapBucket } from "../api/ledger";
import { REASONS, reasonOf, type Reason } from "./gaps";

export interface LossPart {
  reason: Reason;
  ms: number;
  /** Below it, in the same bar. */
  fromMs: number;
}

export interface LossBar {
  atMs: number;
  totalMs: number;
  parts: LossPart[];
}

/** Reasons in one order everywhere, so that a colour keeps its meaning from day to day. */
export function lossBars(buckets: readonly GapBucket[]): LossBar[] {
  return buckets.map((b) => {
    const byReason = new Map<Reason, number>();
    for (const [reason, ms] of Object.entries(b.time_ms)) {
      byReason.set(reasonOf(reason), (byReason.get(reasonOf(reason)) ?? 0) + ms);
    }
    const parts: LossPart[] = [];
    let fromMs = 0;
    for (const reason of REASONS) {
      const ms = byReason.get(reason) ?? 0;
      if (ms > 0) {
        parts.push({ reason, ms, fromMs });
        fromMs += ms;
      }
    }
    return { atMs: b.from_unix_ms, totalMs: fromMs, parts };
  });
}

/** The reasons that occur, in their order. */
export function lossReasons(bars: readonly LossBar[]): Reason[] {
  return REASONS.filter((r) => bars.some((b) => b.parts.some((p) => p.reason === r)));
}

export function highestMs(bars: readonly LossBar[]): number {
  return bars.reduce((max, b) => Math.max(max, b.totalMs), 0);
}

const DAY_MS = 86_400_000;

/** The last `days` whole days and today, from one midnight of the viewer's zone to another; steps of 24 hours. */
export function lossRange(nowMs: number, midnightMs: number, days: number): { from: number; to: number; step: number } {
  const to = midnightMs + DAY_MS > nowMs ? midnightMs + DAY_MS : nowMs;
  return { from: to - days * DAY_MS, to, step: DAY_MS };
}
