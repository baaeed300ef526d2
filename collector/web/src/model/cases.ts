// Cases on a time line, and the steps of one as a waterfall.

import type { Case, CaseDetail, CaseStep } from "../api/cases";

export interface CaseFilter {
  site: string | null;
  process: string | null;
  open: boolean;
  last: CaseRange;
  before: string | null;
}

export const CASE_RANGES = { "6h": 6 * 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000 } as const;
export type CaseRange = keyof typeof CASE_RANGES;

export function readCaseFilter(params: URLSearchParams): CaseFilter {
  const last = params.get("last") ?? "";
  const before = params.get("before");
  return {
    site: params.get("site"),
    process: params.get("process"),
    open: params.get("open") === "1",
    last: Object.hasOwn(CASE_RANGES, last) ? (last as CaseRange) : "6h",
    before: before !== null && /^\d{1,15}$/.test(before) ? before : null,
  };
}

export function writeCaseFilter(filter: CaseFilter, params: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams(params);
  const set = (key: string, value: string | null): void => {
    if (value === null) {
      out.delete(key);
    } else {
      out.set(key, value);
    }
  };
  set("site", filter.site);
  set("process", filter.process);
  set("open", filter.open ? "1" : null);
  set("last", filter.last === "6h" ? null : filter.last);
  set("before", filter.before);
  return out;
}

export interface Bar {
  leftPct: number;
  widthPct: number;
  /** It goes on beyond the edge of what is shown. */
  cutLeft: boolean;
  cutRight: boolean;
}

export function bar(beginMs: number, endMs: number, fromMs: number, toMs: number): Bar {
  const range = Math.max(1, toMs - fromMs);
  const [a, b] = [Math.max(beginMs, fromMs), Math.min(endMs, toMs)];
  return {
    leftPct: (100 * (a - fromMs)) / range,
    widthPct: Math.max(0, (100 * (b - a)) / range),
    cutLeft: beginMs < fromMs,
    cutRight: endMs > toMs,
  };
}

/** Longest allowed time of a process: the smallest limit of the rules about it. */
export function limitsByProcess(rules: readonly { kind: string; enabled: boolean; process: string; limit_ms: number | null }[]): Map<string, number> {
  const out = new Map<string, number>();
  for (const rule of rules) {
    if (rule.kind === "case_open" && rule.enabled && rule.limit_ms !== null) {
      out.set(rule.process, Math.min(out.get(rule.process) ?? Infinity, rule.limit_ms));
    }
  }
  return out;
}

export function lengthMs(c: { begin_unix_ms: number; end_unix_ms: number | null }, nowMs: number): number {
  return Math.max(0, (c.end_unix_ms ?? nowMs) - c.begin_unix_ms);
}

export function isOver(c: Pick<Case, "begin_unix_ms" | "end_unix_ms" | "process">, limits: ReadonlyMap<string, number>, nowMs: number): boolean {
  const limit = limits.get(c.process);
  return limit !== undefined && lengthMs(c, nowMs) > limit;
}

export interface StepBar {
  step: CaseStep;
  /** Where it is drawn; a missing begin is drawn as a mark at its end. */
  beginMs: number;
  endMs: number;
  kind: "done" | "open" | "no_begin";
  durationMs: number | null;
}

/** In the order in which they began, or, where that is not known, ended. */
export function stepBars(detail: CaseDetail, nowMs: number): StepBar[] {
  const upTo = detail.end_unix_ms ?? Math.max(nowMs, detail.begin_unix_ms);
  const at = (s: CaseStep): number => s.begin_unix_ms ?? s.end_unix_ms ?? detail.begin_unix_ms;
  return [...detail.steps].sort((a, b) => at(a) - at(b)).map((step) => {
    if (step.begin_unix_ms === null) {
      const end = step.end_unix_ms ?? detail.begin_unix_ms;
      return { step, beginMs: end, endMs: end, kind: "no_begin", durationMs: null };
    }
    return step.end_unix_ms === null
      ? { step, beginMs: step.begin_unix_ms, endMs: Math.max(upTo, step.begin_unix_ms), kind: "open", durationMs: null }
      : { step, beginMs: step.begin_unix_ms, endMs: step.end_unix_ms, kind: "done", durationMs: step.end_unix_ms - step.begin_unix_ms };
  });
}
