// From cells to what is drawn: a step a window, in the look of how sure it is; and every stretch without a value with its reason.

import type { Cell, Window } from "../api/kpis";

export const WINDOW_MS: Record<Window, number> = { "1m": 60_000, "5m": 300_000, "1h": 3_600_000, "1d": 86_400_000 };

/** How sure a value is: nothing more to come; whole, but not yet closed; still filling. */
export type Look = "final" | "ready" | "provisional";

export function lookOf(cell: Cell): Look {
  return cell.state !== "provisional" ? "final" : cell.ready ? "ready" : "provisional";
}

/**
 * unknown: data are missing; quiet: everything arrived and nothing had happened; means: what arrived
 * are means of longer times than the window, so that it has no value of its own; pending: after the last window worked out; before: before
 * the first one.
 */
export type BlankKind = "unknown" | "quiet" | "means" | "pending" | "before";

export interface Blank {
  fromMs: number;
  toMs: number;
  kind: BlankKind;
}

export function sortCells(cells: readonly Cell[]): Cell[] {
  return [...cells].sort((a, b) => a.begin_unix_ms - b.begin_unix_ms);
}

function push(out: Blank[], blank: Blank): void {
  const last = out[out.length - 1];
  if (blank.toMs <= blank.fromMs) {
    return;
  }
  if (last !== undefined && last.kind === blank.kind && last.toMs === blank.fromMs) {
    last.toMs = blank.toMs;
  } else {
    out.push(blank);
  }
}

/** Why a cell has no value. */
export function blankKind(cell: Cell): "unknown" | "quiet" | "means" {
  return cell.completeness < 1 ? "unknown" : cell.thinned ? "means" : "quiet";
}

/** Every stretch of [fromMs, toMs) that has no value.  `cells` ascending. */
export function blanks(cells: readonly Cell[], fromMs: number, toMs: number): Blank[] {
  const out: Blank[] = [];
  let at = fromMs;
  let kind: BlankKind = "before";
  for (const cell of cells) {
    if (cell.end_unix_ms <= fromMs || cell.begin_unix_ms >= toMs) {
      continue;
    }
    push(out, { fromMs: at, toMs: Math.min(cell.begin_unix_ms, toMs), kind });
    if (cell.value === null) {
      push(out, { fromMs: Math.max(cell.begin_unix_ms, fromMs), toMs: Math.min(cell.end_unix_ms, toMs), kind: blankKind(cell) });
    }
    at = Math.max(at, cell.end_unix_ms);
    kind = "unknown";
  }
  push(out, { fromMs: at, toMs, kind: kind === "before" ? "before" : "pending" });
  return out;
}

export interface Scale {
  low: number;
  high: number;
}

/** Begins at zero, as the other charts do, and shows every line that is drawn across. */
export function valueScale(cells: readonly Cell[], lines: readonly (number | null)[], unit: string): Scale {
  const all = [...cells.map((c) => c.value), ...lines].filter((v): v is number => v !== null && Number.isFinite(v));
  const low = Math.min(0, ...all);
  const high = Math.max(...all, low);
  const top = high === low ? low + 1 : low + (high - low) * 1.12;
  return { low, high: (unit === "%" || unit === "pct") && high <= 100 ? Math.min(top, 105) : top };
}

export interface Step {
  fromMs: number;
  toMs: number;
  value: number;
  look: Look;
  /** The window before it touches and has a value: they are joined. */
  joins: number | null;
}

export function steps(cells: readonly Cell[]): Step[] {
  let before: Cell | undefined;
  return cells.flatMap((cell) => {
    const joins = before !== undefined && before.value !== null && before.end_unix_ms === cell.begin_unix_ms ? before.value : null;
    before = cell;
    return cell.value === null ? [] : [{ fromMs: cell.begin_unix_ms, toMs: cell.end_unix_ms, value: cell.value, look: lookOf(cell), joins }];
  });
}

export function cellAt(cells: readonly Cell[], ms: number): Cell | undefined {
  return cells.find((c) => c.begin_unix_ms <= ms && ms < c.end_unix_ms);
}

/** Whether the value keeps to the target; null: no target, or nothing known. */
export function meetsTarget(value: number | null, target: number | null, good: "low" | "high" | null): boolean | null {
  if (value === null || target === null || good === null) {
    return null;
  }
  return good === "low" ? value <= target : value >= target;
}

/** The window lengths that a KPI of this resolution has. */
export function windowsFrom(resolution: Window): Window[] {
  const all = Object.keys(WINDOW_MS) as Window[];
  return all.filter((w) => WINDOW_MS[w] >= WINDOW_MS[resolution]);
}

/** How long a range each window length is shown over: enough to see a pattern, and never more cells than a line can show. */
export const SPANS_MS: Record<Window, readonly [number, number, number]> = {
  "1m": [3 * 3_600_000, 12 * 3_600_000, 24 * 3_600_000],
  "5m": [12 * 3_600_000, 24 * 3_600_000, 3 * 86_400_000],
  "1h": [2 * 86_400_000, 7 * 86_400_000, 30 * 86_400_000],
  "1d": [30 * 86_400_000, 90 * 86_400_000, 365 * 86_400_000],
};
