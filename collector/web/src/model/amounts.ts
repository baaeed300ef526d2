// Values of KPIs for people.  Their unit is what somebody typed; the few that have a better form than "number unit" get it.

import { formatValue, UNKNOWN } from "./units";

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

/** "850 ms", "1.25 s", "12.5 s", "4 min 30 s", "1 h 5 min", "2 d 3 h": the same in both languages. */
export function formatMs(ms: number): string {
  const abs = Math.abs(ms);
  if (abs < S) {
    return formatValue(ms, "ms");
  }
  if (abs < 10 * S) {
    return `${Number((ms / S).toFixed(2))} s`;
  }
  if (abs < M) {
    return `${Number((ms / S).toFixed(1))} s`;
  }
  const sign = ms < 0 ? "-" : "";
  const [big, bigName, small, smallName] = abs < H ? [M, "min", S, "s"] as const : abs < D ? [H, "h", M, "min"] as const : [D, "d", H, "h"] as const;
  const whole = Math.round(abs / small) * small;
  const rest = Math.round((whole % big) / small);
  return `${sign}${Math.floor(whole / big)} ${bigName}${rest === 0 ? "" : ` ${rest} ${smallName}`}`;
}

export function formatAmount(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return UNKNOWN;
  }
  switch (unit) {
    case "ms":
      return formatMs(value);
    case "s":
      return formatMs(value * S);
    case "%":
    case "pct":
      return formatValue(value, "pct");
    case "B":
    case "bytes":
      return formatValue(value, "bytes");
    case "":
    case "1":
      return formatValue(value, "count");
    default:
      return `${formatValue(value, "count")} ${unit}`;
  }
}

/** 0.857 as "86 %"; never "100 %" while something is missing, never "0 %" while something is there. */
export function formatShare(share: number): string {
  const pct = Math.round(share * 100);
  return `${share < 1 && pct === 100 ? 99 : share > 0 && pct === 0 ? 1 : pct} %`;
}

/** Round numbers that cover low..high in about `want` steps. */
export function niceTicks(low: number, high: number, want: number): number[] {
  const range = high - low;
  if (!(range > 0) || want < 1) {
    return [low];
  }
  const raw = range / want;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5].find((f) => f * power >= raw * 0.999) ?? 10) * power;
  const out: number[] = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high * (1 + 1e-9) && out.length < 50; n++) {
    out.push(Number((n * step).toPrecision(12)));
  }
  return out;
}

const TIME_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, S, 2 * S, 5 * S, 10 * S, 15 * S, 30 * S, M, 2 * M, 5 * M, 10 * M, 15 * M, 30 * M, H, 2 * H, 3 * H, 6 * H, 12 * H, D, 2 * D, 7 * D];

/** As niceTicks, but durations are marked in round seconds, minutes and hours. */
export function amountTicks(low: number, high: number, want: number, unit: string): number[] {
  const scale = unit === "ms" ? 1 : unit === "s" ? S : 0;
  if (scale === 0) {
    return niceTicks(low, high, want);
  }
  const step = TIME_STEPS.find((s) => s >= ((high - low) * scale) / want);
  if (step === undefined) {
    return niceTicks(low, high, want);
  }
  const out: number[] = [];
  for (let n = Math.ceil((low * scale) / step); n * step <= high * scale && out.length < 50; n++) {
    out.push((n * step) / scale);
  }
  return out;
}
