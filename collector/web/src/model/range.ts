// How finely a range is asked for.

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const STEPS_MS = [5 * S, 10 * S, 15 * S, 20 * S, 30 * S, M, 2 * M, 3 * M, 5 * M, 10 * M, 15 * M, 20 * M, 30 * M, H, 2 * H, 3 * H, 6 * H, 12 * H, 24 * H];

/** About a point per two pixels, never finer than the samples are, on round steps so that they do not shimmer as the range moves. */
export function stepFor(rangeMs: number, widthPx: number, intervalMs: number): number {
  const points = Math.max(50, Math.min(1000, Math.floor(widthPx / 2)));
  const want = Math.max(rangeMs / points, intervalMs, 5 * S);
  return STEPS_MS.find((step) => step >= want) ?? 24 * H;
}

export function alignRange(fromMs: number, toMs: number, stepMs: number): { fromMs: number; toMs: number } {
  return { fromMs: Math.floor(fromMs / stepMs) * stepMs, toMs: Math.ceil(toMs / stepMs) * stepMs };
}
