// Times in the zone of a site, through Intl only: the browser's own zone never leaks into what a site shows.

const DAY_MS = 86_400_000;

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string): Intl.DateTimeFormat {
  let f = formatters.get(zone);
  if (f === undefined) {
    f = new Intl.DateTimeFormat("en-US", {
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
      hourCycle: "h23",
      timeZone: validZone(zone),
    });
    formatters.set(zone, f);
  }
  return f;
}

const zones = new Map<string, string>();

/** A zone that this browser does not know (its tzdata may be older than the collector's) is shown as UTC, and named so. */
export function validZone(zone: string): string {
  let known = zones.get(zone);
  if (known === undefined) {
    try {
      new Intl.DateTimeFormat("en", { timeZone: zone });
      known = zone;
    } catch {
      known = "UTC";
    }
    zones.set(zone, known);
  }
  return known;
}

export function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export interface Wall {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

/** What a clock on the wall in `zone` shows at that moment. */
export function wallOf(unixMs: number, zone: string): Wall {
  const parts = formatter(zone).formatToParts(unixMs);
  const get = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.find((p) => p.type === type)?.value ?? "0");
  return { year: get("year"), month: get("month"), day: get("day"), hour: get("hour"), minute: get("minute"), second: get("second") };
}

function wallAsUtcMs(w: Wall): number {
  return Date.UTC(w.year, w.month - 1, w.day, w.hour, w.minute, w.second);
}

/** Zone minus UTC at that moment, in ms. */
export function zoneOffsetMs(unixMs: number, zone: string): number {
  const whole = Math.floor(unixMs / 1000) * 1000;
  return wallAsUtcMs(wallOf(whole, zone)) - whole;
}

/**
 * The moment at which the wall clock in `zone` shows `wallMs` (a wall time written as if it were UTC).  A wall time that a change of
 * offset skips becomes the same distance past the change; one that occurs twice becomes the first.
 */
export function unixOfWall(wallMs: number, zone: string): number {
  const before = zoneOffsetMs(wallMs - DAY_MS, zone);
  const after = zoneOffsetMs(wallMs + DAY_MS, zone);
  const first = wallMs - before;
  return zoneOffsetMs(first, zone) === before || before === after ? first : zoneOffsetMs(wallMs - after, zone) === after ? wallMs - after : first;
}

/** "UTC+8", "UTC-3:30", "UTC" */
export function offsetName(unixMs: number, zone: string): string {
  const minutes = Math.round(zoneOffsetMs(unixMs, zone) / 60_000);
  if (minutes === 0) {
    return "UTC";
  }
  const abs = Math.abs(minutes);
  const rest = abs % 60 === 0 ? "" : `:${String(abs % 60).padStart(2, "0")}`;
  return `UTC${minutes < 0 ? "-" : "+"}${Math.floor(abs / 60)}${rest}`;
}

const two = (n: number): string => String(n).padStart(2, "0");

/** "2026-11-22 18:43:13": the same in both languages, and never taken for another order of day and month. */
export function formatDateTime(unixMs: number, zone: string): string {
  return `${formatDate(unixMs, zone)} ${formatTime(unixMs, zone)}`;
}

export function formatTime(unixMs: number, zone: string): string {
  const w = wallOf(unixMs, zone);
  return `${two(w.hour)}:${two(w.minute)}:${two(w.second)}`;
}

export function formatDate(unixMs: number, zone: string): string {
  const w = wallOf(unixMs, zone);
  return `${w.year}-${two(w.month)}-${two(w.day)}`;
}

/** "Asia/Shanghai (UTC+8)", "UTC" */
export function zoneName(unixMs: number, zone: string): string {
  const known = validZone(zone);
  const offset = offsetName(unixMs, known);
  return known === offset ? known : `${known} (${offset})`;
}

/** Date, time and the zone's name: what stands on hover or focus wherever a relative time is shown. */
export function formatAbsolute(unixMs: number, zone: string): string {
  return `${formatDateTime(unixMs, validZone(zone))} ${zoneName(unixMs, zone)}`;
}

export interface Span {
  unit: "second" | "minute" | "hour" | "day";
  count: number;
}

/** The largest unit that fits, rounded down: 89 s is one minute, 26 h one day. */
export function spanOf(ms: number): Span {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) {
    return { unit: "second", count: s };
  }
  if (s < 3600) {
    return { unit: "minute", count: Math.floor(s / 60) };
  }
  if (s < 86_400) {
    return { unit: "hour", count: Math.floor(s / 3600) };
  }
  return { unit: "day", count: Math.floor(s / 86_400) };
}
