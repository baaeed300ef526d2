// How sure times are: what a device's clock map states, made into words that hold (rounded up), and looked up by time.

export interface DoubtSpan {
  from_unix_ms: number;
  to_unix_ms: number;
  uncertainty_ms: number;
}

/** Times here are shown to the second: below that a doubt cannot be seen. */
export const DOUBT_SHOWN_MS = 1_000;

const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

export interface DoubtLength {
  unit: "second" | "minute" | "hour" | "day";
  count: number;
}

/** In the largest unit of which there are two, rounded up: 61 s are 61 s, 130 s are 3 min.  null: too little to show. */
export function doubtLength(ms: number | null): DoubtLength | null {
  if (ms === null || ms < DOUBT_SHOWN_MS) {
    return null;
  }
  for (const [unit, length] of UNITS) {
    if (ms >= 2 * length) {
      return { unit, count: Math.ceil(ms / length) };
    }
  }
  return { unit: "second", count: Math.ceil(ms / 1_000) };
}

/** The largest at that moment; null: none. */
export function doubtAt(doubts: readonly DoubtSpan[], ms: number): number | null {
  return worstDoubt(doubts.filter((d) => d.from_unix_ms <= ms && ms < d.to_unix_ms));
}

export function worstDoubt(doubts: readonly DoubtSpan[]): number | null {
  return doubts.length === 0 ? null : Math.max(...doubts.map((d) => d.uncertainty_ms));
}
