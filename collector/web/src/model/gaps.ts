// Spans without data.  A gap is drawn as a gap and named; it is never joined over and never shown as zero.

import type { GapSpan } from "../api/telemetry";

/**
 * Reasons the collector gives, and two of our own.  "pending": the end of a range about which nothing is known yet.  "no_values": of many
 * series together, where nothing tells what did not arrive from what nobody reported.
 */
export const REASONS = [
  "pending",
  "not_arrived",
  "no_values",
  "off",
  "evicted",
  "disk_full",
  "damaged",
  "clock",
  "lost_at_centre",
  "rolled_back",
  "overload",
  "vanished",
  "thinned",
  "unknown_value",
  "not_yet_installed",
  "not_in_service",
  "not_kept",
  "other",
] as const;
export type Reason = (typeof REASONS)[number];

/** A word from a newer collector is shown as "other" rather than as an error. */
export function reasonOf(text: string): Reason {
  return REASONS.find((r) => r === text) ?? "other";
}

export interface Gap {
  fromMs: number;
  toMs: number;
  reason: Reason;
}

/** Clips to the range, sorts, joins what touches and has one reason, and names the open end "pending". */
export function tidyGaps(spans: readonly GapSpan[], fromMs: number, toMs: number, stepMs: number): Gap[] {
  const clipped = spans
    .map((s) => ({ fromMs: Math.max(s.from_unix_ms, fromMs), toMs: Math.min(s.to_unix_ms, toMs), reason: reasonOf(s.reason) }))
    .filter((g) => g.toMs > g.fromMs)
    .sort((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs);
  const out: Gap[] = [];
  for (const gap of clipped) {
    const last = out[out.length - 1];
    if (last !== undefined && last.reason === gap.reason && gap.fromMs <= last.toMs + 1) {
      last.toMs = Math.max(last.toMs, gap.toMs);
    } else {
      out.push({ ...gap });
    }
  }
  const end = out[out.length - 1];
  if (end !== undefined && end.reason === "not_arrived" && end.toMs >= toMs - stepMs) {
    end.reason = "pending";
  }
  return out;
}

export function gapAt(gaps: readonly Gap[], ms: number): Gap | undefined {
  return gaps.find((g) => g.fromMs <= ms && ms < g.toMs);
}

/** What no line of a chart knows: where only some are missing, their own breaks say so. */
export function commonGaps(perLine: readonly (readonly Gap[])[]): Gap[] {
  const [first, ...others] = perLine;
  if (first === undefined) {
    return [];
  }
  const edges = [...new Set(perLine.flat().flatMap((g) => [g.fromMs, g.toMs]))].sort((a, b) => a - b);
  const out: Gap[] = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    const [fromMs, toMs] = [edges[i] ?? 0, edges[i + 1] ?? 0];
    const here = gapAt(first, fromMs);
    if (here === undefined || !others.every((gaps) => gapAt(gaps, fromMs) !== undefined)) {
      continue;
    }
    const last = out[out.length - 1];
    if (last !== undefined && last.reason === here.reason && last.toMs === fromMs) {
      last.toMs = toMs;
    } else {
      out.push({ fromMs, toMs, reason: here.reason });
    }
  }
  return out;
}

export interface ReasonSum {
  reason: Reason;
  count: number;
  totalMs: number;
}

/** In words; what has not arrived is nothing below a second, with which ticks begin and end. */
export function sumByReason(gaps: readonly Gap[]): ReasonSum[] {
  return REASONS.map((reason) => {
    const own = gaps.filter((g) => g.reason === reason);
    return { reason, count: own.length, totalMs: own.reduce((sum, g) => sum + g.toMs - g.fromMs, 0) };
  }).filter((s) => s.count > 0 && (s.reason !== "not_arrived" || s.totalMs >= 1000));
}

type Value = number | null;

/**
 * What the plot joins and what it breaks.  An empty step inside covered time only means that steps and samples do not line up; it
 * becomes undefined, which the plot passes over.  An empty step that touches a gap, or more empty ones in a row than the series'
 * interval explains, stays null, which breaks the line.
 */
export function breakLine(t: readonly number[], values: readonly Value[], gaps: readonly Gap[], stepMs: number, intervalMs: number): (Value | undefined)[] {
  const longest = Math.ceil((2 * intervalMs) / stepMs);
  const out: (Value | undefined)[] = [...values];
  let i = 0;
  while (i < out.length) {
    if (out[i] !== null) {
      i++;
      continue;
    }
    let end = i;
    while (end < out.length && values[end] === null) {
      end++;
    }
    const [from, to] = [t[i] ?? 0, (t[end - 1] ?? 0) + stepMs];
    const touches = gaps.some((g) => g.fromMs < to && g.toMs > from);
    if (!touches && end - i <= longest) {
      out.fill(undefined, i, end);
    }
    i = end;
  }
  return out;
}
