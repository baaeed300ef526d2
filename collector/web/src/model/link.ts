// A link's history as a band, what waits on a device, and its clock: facts in, what to show out.

import type { DeviceReport, ReportClock } from "../api/devices";
import { LINK_STATES, type LinkSpan, type LinkState } from "../api/link";

export const LINK_RANGES = { "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000 } as const;
export type LinkRange = keyof typeof LINK_RANGES;

export function readLinkRange(params: URLSearchParams): LinkRange {
  const text = params.get("range") ?? "";
  return Object.hasOwn(LINK_RANGES, text) ? (text as LinkRange) : "24h";
}

export interface BandPart {
  span: LinkSpan;
  leftPct: number;
  widthPct: number;
}

/** Where each span stands in a band from `fromMs` to `toMs`; what lies outside is cut. */
export function bandParts(spans: readonly LinkSpan[], fromMs: number, toMs: number): BandPart[] {
  const range = Math.max(1, toMs - fromMs);
  return spans.flatMap((span) => {
    const [from, to] = [Math.max(span.from_unix_ms, fromMs), Math.min(span.to_unix_ms, toMs)];
    return to > from ? [{ span, leftPct: (100 * (from - fromMs)) / range, widthPct: (100 * (to - from)) / range }] : [];
  });
}

/** The span at a moment, by its place in the list; the nearest one when there is none. */
export function spanAt(spans: readonly LinkSpan[], ms: number): number {
  const at = spans.findIndex((s) => ms < s.to_unix_ms);
  return at === -1 ? spans.length - 1 : at;
}

/** A part of the whole in per cent: what is there is never rounded away, and "100" means all of it. */
export function shareText(part: number, whole: number): string {
  if (whole <= 0 || part <= 0) {
    return "0 %";
  }
  const pct = (100 * part) / whole;
  if (pct < 0.1) {
    return "< 0.1 %";
  }
  if (pct > 99.9 && part < whole) {
    return "> 99.9 %";
  }
  return `${pct < 10 || (pct > 90 && part < whole) ? Number(pct.toFixed(1)) : Math.round(pct)} %`;
}

/** Below a second nothing is missing: what a device collects begins and ends with its ticks. */
function isNothing(state: LinkState, ms: number): boolean {
  return ms <= 0 || (state === "unknown" && ms < 1000);
}

/** The states that occur, from the best to the worst, with their length. */
export function statesOf(totals: Record<LinkState, number>): { state: LinkState; ms: number }[] {
  return LINK_STATES.map((state) => ({ state, ms: totals[state] })).filter((s) => !isNothing(s.state, s.ms));
}

/** How long the device was not in service: counted as unknown, and not expected. */
export function outsideMs(spans: readonly LinkSpan[]): number {
  return spans.reduce((ms, s) => (s.reason === "not_in_service" ? ms + s.lasted_ms : ms), 0);
}

/** What is worth a line of its own, newest first: everything but "online" and "nothing was expected". */
export function stretches(spans: readonly LinkSpan[]): LinkSpan[] {
  return spans.filter((s) => s.state !== "online" && s.reason !== "not_in_service" && (s.reason === "offline" || !isNothing(s.state, s.to_unix_ms - s.from_unix_ms))).reverse();
}

// --- what waits on the device ---

const STREAMS = ["events", "probes", "host"] as const;
export type StreamName = (typeof STREAMS)[number];

export interface Waiting {
  stream: StreamName;
  batches: number;
  bytes: number;
  samples: number;
  /** When the oldest of it was collected. */
  oldestMs: number | null;
  isHeld: boolean;
}

export interface Backlog {
  atMs: number;
  batches: number;
  bytes: number;
  oldestMs: number | null;
  byStream: Waiting[];
  /** How long it takes at the measured rate; null: not measured, or held back. */
  drainMs: number | null;
  held: StreamName[];
  opensMs: number | null;
}

function earliest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/** null: the device has not said. */
export function backlogOf(report: DeviceReport | null): Backlog | null {
  if (report === null || STREAMS.every((s) => report.backlog[s] === null)) {
    return null;
  }
  const held = STREAMS.filter((s) => report.budget?.held.includes(s) === true);
  const byStream = STREAMS.flatMap((stream) => {
    const said = report.backlog[stream];
    return said === null ? [] : [{
      stream,
      batches: said.batches,
      bytes: said.bytes,
      samples: said.samples,
      oldestMs: said.oldest_age_ms === null ? null : Math.max(0, report.at_unix_ms - said.oldest_age_ms),
      isHeld: held.includes(stream),
    }];
  });
  const moving = byStream.filter((w) => !w.isHeld).reduce((sum, w) => sum + w.bytes, 0);
  const rate = report.link?.rate_bytes_per_s ?? null;
  return {
    atMs: report.at_unix_ms,
    batches: byStream.reduce((sum, w) => sum + w.batches, 0),
    bytes: byStream.reduce((sum, w) => sum + w.bytes, 0),
    oldestMs: byStream.reduce<number | null>((at, w) => earliest(at, w.oldestMs), null),
    byStream,
    drainMs: rate === null || rate <= 0 || moving === 0 ? null : (1000 * moving) / rate,
    held,
    opensMs: report.budget?.opens_unix_ms ?? null,
  };
}

// The same for batches that the centre misses: fewer are on their way.
const FEW_BATCHES = 6;

/** It is there, and sends what it gathered while it was not. */
export function isFillingIn(device: { state: string; waiting_batches: number }): boolean {
  return device.state === "up" && device.waiting_batches > FEW_BATCHES;
}

// A batch or two of each class are on their way at any moment; what is older than this is backlog.
const ON_ITS_WAY_MS = 180_000;

export function isBacklog(backlog: Backlog): boolean {
  return backlog.batches > 0 && (backlog.oldestMs === null || backlog.atMs - backlog.oldestMs > ON_ITS_WAY_MS);
}

// --- its clock ---

export interface ClockState {
  kind: "ntp" | "centre" | "trusted" | "unknown" | "never";
  uncertaintyMs: number | null;
  /** The machine's own clock less the time that its data are given; null: it agrees. */
  offMs: number | null;
  /** Gained a day; negative: lost; null: not worth a word. */
  driftMsPerDay: number | null;
  steps: number;
  isFloorLifted: boolean;
}

const PLAIN = { uncertaintyMs: null, offMs: null, driftMsPerDay: null, steps: 0, isFloorLifted: false };

function fromReport(clock: ReportClock): ClockState {
  const drift = (clock.drift_ppb * 86_400_000) / 1e9;
  const isOff = Math.abs(clock.wall_minus_map_ms) > clock.uncertainty_ms + 1000;
  const isKnown = clock.source !== "untrusted";
  return {
    kind: clock.source === "untrusted" ? "unknown" : clock.source,
    uncertaintyMs: isKnown ? clock.uncertainty_ms : null,
    offMs: isKnown && isOff ? clock.wall_minus_map_ms : null,
    driftMsPerDay: isKnown && Math.abs(drift) >= 100 ? drift : null,
    steps: clock.steps,
    isFloorLifted: clock.floor_lifted,
  };
}

/** What the device says of its clock; without its word, what the centre has of it. */
export function clockOf(device: { clock: "trusted" | "unknown" | null; report: DeviceReport | null }): ClockState {
  const said = device.report?.clock ?? null;
  return said !== null ? fromReport(said) : { ...PLAIN, kind: device.clock ?? "never" };
}
