// Where the marks of a time axis stand: on round wall-clock times of the site's zone, also across a change of offset.

import { validZone, wallOf, zoneOffsetMs } from "./time";

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

const STEPS_MS = [5 * S, 10 * S, 15 * S, 30 * S, M, 2 * M, 5 * M, 10 * M, 15 * M, 30 * M, H, 2 * H, 3 * H, 6 * H, 12 * H, D, 2 * D, 7 * D, 14 * D, 28 * D];

export function tickStepMs(rangeMs: number, widthPx: number): number {
  const want = Math.max(2, Math.floor(widthPx / 64));
  return STEPS_MS.find((step) => rangeMs / step <= want) ?? 28 * D;
}

export function timeTicks(fromMs: number, toMs: number, zoneName: string, widthPx: number): number[] {
  const zone = validZone(zoneName);
  const step = tickStepMs(toMs - fromMs, widthPx);
  const out: number[] = [];
  let offset = zoneOffsetMs(fromMs, zone);
  let wall = Math.ceil((fromMs + offset) / step) * step;
  // Twice as many rounds as marks can fit: a step that a change of offset skips yields none.
  for (let n = 0; n < 400; n++, wall += step) {
    offset = zoneOffsetMs(wall - offset, zone);
    const at = wall - offset;
    if (at > toMs) {
      break;
    }
    if (at >= fromMs && at > (out[out.length - 1] ?? -Infinity)) {
      out.push(at);
    }
  }
  return out;
}

const two = (n: number): string => String(n).padStart(2, "0");

/** "14:05", "14:05:30" below a minute, "11-22" at midnight; the first mark of a range over a day also says its date. */
export function tickLabels(ticks: readonly number[], zoneName: string): string[] {
  const zone = validZone(zoneName);
  const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
  let lastDay = "";
  return ticks.map((t) => {
    const w = wallOf(t, zone);
    const day = `${two(w.month)}-${two(w.day)}`;
    const isMidnight = w.hour === 0 && w.minute === 0 && w.second === 0;
    const seconds = step > 0 && step < M ? `:${two(w.second)}` : "";
    const text = step >= D || (isMidnight && day !== lastDay) ? day : `${two(w.hour)}:${two(w.minute)}${seconds}`;
    lastDay = day;
    return text;
  });
}
