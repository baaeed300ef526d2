// Spans of which a device, its buffer being full, has kept mean, least, greatest and count of a while in place of the samples.  They
// are no gaps: there is a line and a band, which only know less than they do elsewhere.

import type { ThinnedSpan } from "../api/telemetry";

export interface Span {
  fromMs: number;
  toMs: number;
}

/** What any of the lines has of it: clipped to the range, ascending, joined where it touches or overlaps. */
export function thinnedSpans(perLine: readonly (readonly ThinnedSpan[])[], fromMs: number, toMs: number): Span[] {
  const clipped = perLine
    .flat()
    .map((s) => ({ fromMs: Math.max(s.from_unix_ms, fromMs), toMs: Math.min(s.to_unix_ms, toMs) }))
    .filter((s) => s.toMs > s.fromMs)
    .sort((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs);
  const out: Span[] = [];
  for (const span of clipped) {
    const last = out[out.length - 1];
    if (last !== undefined && span.fromMs <= last.toMs) {
      last.toMs = Math.max(last.toMs, span.toMs);
    } else {
      out.push({ ...span });
    }
  }
  return out;
}

export function isThinned(spans: readonly Span[], ms: number): boolean {
  return spans.some((s) => s.fromMs <= ms && ms < s.toMs);
}

export function totalMs(spans: readonly Span[]): number {
  return spans.reduce((sum, s) => sum + s.toMs - s.fromMs, 0);
}
