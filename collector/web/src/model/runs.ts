// The evaluation history of a rule at a site as one strip: runs, and what lies between two that do not touch.

import type { Outcome, Run } from "../api/rules";

export interface RunSegment {
  fromMs: number;
  toMs: number;
  /** null: the rule was not evaluated there. */
  outcome: Outcome | null;
  run: Run | null;
}

export function runSegments(runs: readonly Run[], fromMs: number, toMs: number): RunSegment[] {
  const out: RunSegment[] = [];
  let at = fromMs;
  const put = (segment: RunSegment): void => {
    if (segment.toMs > segment.fromMs) {
      out.push(segment);
    }
  };
  for (const run of [...runs].sort((a, b) => a.begin_unix_ms - b.begin_unix_ms)) {
    if (run.end_unix_ms <= at || run.begin_unix_ms >= toMs) {
      continue;
    }
    put({ fromMs: at, toMs: run.begin_unix_ms, outcome: null, run: null });
    put({ fromMs: Math.max(at, run.begin_unix_ms), toMs: Math.min(run.end_unix_ms, toMs), outcome: run.outcome, run });
    at = Math.max(at, run.end_unix_ms);
  }
  put({ fromMs: at, toMs, outcome: null, run: null });
  return out;
}

/** Share of the range with that outcome, 0..1; what was not evaluated is not known either. */
export function shareOf(segments: readonly RunSegment[], outcome: "true" | "unknown"): number {
  const all = segments.reduce((sum, s) => sum + s.toMs - s.fromMs, 0);
  const own = segments.filter((s) => s.outcome === outcome || (outcome === "unknown" && s.outcome === null)).reduce((sum, s) => sum + s.toMs - s.fromMs, 0);
  return all === 0 ? 0 : own / all;
}

export const RUN_RANGES = { "3h": 3 * 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000 } as const;
export type RunRange = keyof typeof RUN_RANGES;

export function readRunRange(params: URLSearchParams): RunRange {
  const text = params.get("last") ?? "";
  return Object.hasOwn(RUN_RANGES, text) ? (text as RunRange) : "3h";
}
