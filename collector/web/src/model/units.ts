// Numbers for people, by unit.  Unknown is a dash, never 0.

export const UNITS = ["pct", "bytes", "bytes_per_s", "ms", "days", "count", "code", "per_s"] as const;
export type Unit = (typeof UNITS)[number];

export const UNKNOWN = "–";

const PREFIXES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function bytes(value: number): string {
  const abs = Math.abs(value);
  const power = abs < 1 ? 0 : Math.min(PREFIXES.length - 1, Math.floor(Math.log2(abs) / 10));
  return `${digits(value / 1024 ** power)} ${PREFIXES[power] ?? "B"}`;
}

/** Three significant digits, without a trail of zeros. */
function digits(value: number): string {
  const abs = Math.abs(value);
  if (abs >= 100 || Number.isInteger(value)) {
    return String(Math.round(value));
  }
  return String(Number(value.toFixed(abs >= 10 ? 1 : 2)));
}

export function formatValue(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return UNKNOWN;
  }
  switch (unit) {
    case "pct":
      return `${digits(value)} %`;
    case "bytes":
      return bytes(value);
    case "bytes_per_s":
      return `${bytes(value)}/s`;
    case "ms":
      return Math.abs(value) >= 10_000 ? `${digits(value / 1000)} s` : `${digits(value)} ms`;
    case "per_s":
      return `${digits(value)}/s`;
    case "days":
      return `${digits(value)} d`;
    case "count":
    case "code":
      return digits(value);
  }
}
