// What reports at a device, out of the series that its agent keeps of its inlets: when each last took something, how much, what it
// refused; and how exporters and plug-ins stand.  Counters begin anew with the agent, and are there only once they are above 0.

import type { QueriedSeries, Series } from "../api/telemetry";

export const TAKEN = "agent_inlet_reports_total";
export const REFUSED = "agent_inlet_refused_total";
export const LOST = "agent_inlet_lost_total";
export const EXPORTER = "scrape_up";
export const PLUGIN = "plugin_state";

const HOUR_MS = 3_600_000;
/** What is looked at closely, and how closely; and where nothing was, how far back. */
export const DAY = { rangeMs: 24 * HOUR_MS, stepMs: 300_000 } as const;
export const BACK = { rangeMs: 14 * 24 * HOUR_MS, stepMs: HOUR_MS } as const;
/** So long without anything is said loudly. */
export const SILENT_MS = HOUR_MS;
/** A device that is this far behind is away: what it took since is not known. */
export const AWAY_MS = 600_000;
/** Exporters and plug-ins, together. */
export const CHECKS_MAX = 80;

export interface Rise {
  fromMs: number;
  toMs: number;
  by: number;
}

export interface Refusal {
  reason: string;
  count: number;
  lastMs: number;
}

export interface Inlet {
  inlet: string;
  /** At the latest; null: nothing in what was looked at. */
  lastMs: number | null;
  /** Where lastMs is null: so long there was nothing for sure. */
  noneForMs?: number;
  perMinute: number;
  day: number;
  refused: Refusal[];
  lost: number;
}

export interface Check {
  kind: "exporter" | "plugin";
  name: string;
  /** Of an exporter: ok or critical. */
  state: "ok" | "warning" | "critical" | "unknown";
  sinceMs: number | null;
  /** It began before what was looked at. */
  isBefore: boolean;
}

/** Whether the device told of the whole of [fromMs, toMs), in samples of its own pace. */
function isTold(answer: QueriedSeries, fromMs: number, toMs: number): boolean {
  return ![...answer.gaps, ...answer.thinned].some((g) => g.from_unix_ms < toMs && g.to_unix_ms > fromMs);
}

/** The device itself began in what was looked at: so did all that it counts. */
function isNew({ gaps }: QueriedSeries): boolean {
  return gaps.some((g) => g.reason === "not_yet_installed");
}

/**
 * How a counter rose.  It is there only once it is above 0: where it was not although the device told, it has begun anew.
 * Of a step in which that happened, what is certain.
 */
export function rises(answer: QueriedSeries, stepMs: number, intervalMs: number): Rise[] {
  const { points } = answer;
  const out: Rise[] = [];
  let before: number | null = isNew(answer) ? 0 : null;
  let seenMs = points.t[0] ?? 0;
  points.t.forEach((fromMs, i) => {
    const [min, max] = [points.min[i] ?? null, points.max[i] ?? null];
    if (min === null || max === null) {
      return;
    }
    const wasAway = fromMs - seenMs >= Math.max(stepMs, 2 * intervalMs) && isTold(answer, seenMs, fromMs);
    const from: number = wasAway ? 0 : (before ?? min);
    const isAnew = min < from;
    const by = isAnew ? min + Math.max(0, max - from) : max - from;
    if (by > 0) {
      out.push({ fromMs, toMs: fromMs + stepMs, by });
    }
    before = isAnew ? min : max;
    seenMs = fromMs + stepMs;
  });
  return out;
}

function sum(all: readonly Rise[], fromMs: number): number {
  return all.reduce((n, r) => (r.fromMs >= fromMs ? n + r.by : n), 0);
}

export function isOwn(series: Series): boolean {
  return series.name === TAKEN || series.name === REFUSED || series.name === LOST;
}

export function isCheck(series: Series): boolean {
  return series.name === EXPORTER || series.name === PLUGIN;
}

interface Known {
  series: readonly Series[];
  answers: readonly QueriedSeries[];
  /** Up to when the device has told. */
  untilMs: number;
}

function risesOf({ series, answers }: Known, stepMs: number): { def: Series; rises: Rise[] }[] {
  return series.filter(isOwn).flatMap((def) => {
    const answer = answers.find((a) => a.id === def.id);
    return answer === undefined ? [] : [{ def, rises: rises(answer, stepMs, def.interval_ms) }];
  });
}

/** Each inlet that ever took or refused something, the one with the newest report first. */
export function inletsOf(known: Known): Inlet[] {
  const all = new Map<string, Inlet>();
  for (const { def, rises: list } of risesOf(known, DAY.stepMs)) {
    const name = def.labels["inlet"] ?? "";
    const inlet = all.get(name) ?? { inlet: name, lastMs: null, perMinute: 0, day: 0, refused: [], lost: 0 };
    const last = list.at(-1);
    const lastMs = last === undefined ? null : Math.min(last.toMs, known.untilMs);
    all.set(name, inlet);
    if (def.name === TAKEN) {
      inlet.lastMs = lastMs;
      inlet.day = sum(list, 0);
      inlet.perMinute = sum(list, known.untilMs - HOUR_MS) / 60;
    } else if (def.name === LOST) {
      inlet.lost = sum(list, 0);
    } else if (lastMs !== null) {
      inlet.refused.push({ reason: def.labels["reason"] ?? "", count: sum(list, 0), lastMs });
      inlet.refused.sort((a, b) => b.count - a.count || a.reason.localeCompare(b.reason));
    }
  }
  return [...all.values()].sort((a, b) => (b.lastMs ?? 0) - (a.lastMs ?? 0) || a.inlet.localeCompare(b.inlet));
}

/** Those that took nothing in the day, to look further back for. */
export function silentOnes(known: Known): number[] {
  return risesOf(known, DAY.stepMs).filter((x) => x.def.name === TAKEN && x.rises.length === 0).map((x) => x.def.id);
}

/** So far back there are samples: of before nothing can be said. */
function keptMs({ answers, untilMs }: Known): number {
  const gone = answers.flatMap((a) => a.gaps.filter((g) => g.reason === "not_kept").map((g) => g.to_unix_ms));
  return Math.max(untilMs - BACK.rangeMs, ...gone);
}

/** With what was found further back. */
export function withOlder(inlets: readonly Inlet[], known: Known): Inlet[] {
  const older = new Map(risesOf(known, BACK.stepMs).map(({ def, rises: list }) => [def.labels["inlet"] ?? "", list.at(-1)?.toMs ?? null]));
  const noneForMs = known.untilMs - keptMs(known);
  return inlets.map((x) => (x.lastMs === null ? { ...x, lastMs: older.get(x.inlet) ?? null, noneForMs } : x));
}

const PLUGIN_STATES = ["ok", "warning", "critical", "unknown"] as const;

function stateOf(name: string, min: number, max: number): Check["state"] {
  return name === EXPORTER ? (min >= 1 ? "ok" : "critical") : (PLUGIN_STATES[Math.round(max)] ?? "unknown");
}

function checkOf(def: Series, { points }: QueriedSeries, untilMs: number): Check {
  const seen = points.t.flatMap((t, i) => {
    const [min, max] = [points.min[i] ?? null, points.max[i] ?? null];
    return min === null || max === null ? [] : [{ t, state: stateOf(def.name, min, max) }];
  });
  const last = seen.at(-1);
  const kind = def.name === EXPORTER ? "exporter" : "plugin";
  const name = def.labels[def.name === EXPORTER ? "source" : "check"] ?? "";
  if (last === undefined || last.t + DAY.stepMs < untilMs - Math.max(AWAY_MS, 3 * def.interval_ms)) {
    return { kind, name, state: "unknown", sinceMs: last === undefined ? null : last.t + DAY.stepMs, isBefore: last === undefined };
  }
  const other = seen.findLastIndex((s) => s.state !== last.state);
  return { kind, name, state: last.state, sinceMs: seen[other + 1]?.t ?? null, isBefore: other === -1 && (seen[0]?.t ?? 0) <= (points.t[0] ?? 0) + DAY.stepMs };
}

const WORST = { critical: 0, unknown: 1, warning: 2, ok: 3 } as const;

/** The worst first. */
export function checksOf({ series, answers, untilMs }: Known): Check[] {
  const all = series.filter(isCheck).flatMap((def) => {
    const answer = answers.find((a) => a.id === def.id);
    return answer === undefined ? [] : [checkOf(def, answer, untilMs)];
  });
  return all.sort((a, b) => WORST[a.state] - WORST[b.state] || a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name));
}
