// Incidents: which are shown, what the URL says of it, and when an incident could be told at the site.

import { INCIDENT_STATES, type Facts, type Incident, type IncidentQuery, type IncidentState } from "../api/incidents";
import { SEVERITIES, type Severity } from "../api/rules";

/** Those that somebody still has to do something about. */
export const LIVE: readonly IncidentState[] = ["open", "acknowledged"];

export function isLive(incident: { state: IncidentState }): boolean {
  return LIVE.includes(incident.state);
}

/** Withdrawn and merged ones are closed to everybody. */
export function isClosed(incident: { state: IncidentState }): boolean {
  return incident.state === "withdrawn" || incident.state === "merged";
}

export interface IncidentFilter {
  state: "live" | "all" | IncidentState;
  severity: Severity | null;
  site: string | null;
  rule: string | null;
  mine: boolean;
  /** Older than this one. */
  before: string | null;
}

export const STATE_CHOICES = ["live", "all", ...INCIDENT_STATES] as const;

export function readIncidentFilter(params: URLSearchParams): IncidentFilter {
  const before = params.get("before");
  return {
    state: STATE_CHOICES.find((s) => s === params.get("state")) ?? "live",
    severity: SEVERITIES.find((s) => s === params.get("severity")) ?? null,
    site: params.get("site"),
    rule: params.get("rule"),
    mine: params.get("mine") === "1",
    before: before !== null && /^\d{1,15}$/.test(before) ? before : null,
  };
}

export function writeIncidentFilter(filter: IncidentFilter): URLSearchParams {
  const out = new URLSearchParams();
  if (filter.state !== "live") {
    out.set("state", filter.state);
  }
  for (const key of ["severity", "site", "rule", "before"] as const) {
    const value = filter[key];
    if (value !== null && value !== "") {
      out.set(key, value);
    }
  }
  if (filter.mine) {
    out.set("mine", "1");
  }
  return out;
}

export function incidentQuery(filter: IncidentFilter, me: string): IncidentQuery {
  return {
    state: filter.state === "all" ? null : filter.state === "live" ? LIVE.join(",") : filter.state,
    site: filter.site,
    rule: filter.rule,
    assignee: filter.mine ? me : null,
    before: filter.before,
  };
}

/** Worst first, then the latest. */
export function urgentFirst(list: readonly Incident[]): Incident[] {
  return [...list].sort((a, b) =>
    SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || b.begin_unix_ms - a.begin_unix_ms || b.id - a.id);
}

/** When the site's own data allowed to tell it: after the Nth window, at the deadline, after the silence. */
export function detectedMs(facts: Facts | null, beginMs: number): number {
  switch (facts?.kind) {
    case undefined:
      return beginMs;
    case "threshold":
      return facts.windows[Math.max(0, facts.for - 1)]?.end_unix_ms ?? beginMs;
    case "case_open":
      return facts.deadline_unix_ms;
    case "no_data":
      return facts.last_unix_ms === null ? beginMs : facts.last_unix_ms + facts.after_ms;
  }
}

/** The stretch that a chart of it shows: some windows before, the incident, some after; at most `most` windows. */
export function chartRange(beginMs: number, endMs: number, windowMs: number, nowMs: number, most = 300): { fromMs: number; toMs: number } {
  const from = Math.floor(beginMs / windowMs) * windowMs - 20 * windowMs;
  const wanted = Math.ceil(Math.min(endMs + 10 * windowMs, Math.max(nowMs, endMs)) / windowMs) * windowMs;
  return { fromMs: from, toMs: Math.min(Math.max(wanted, from + 30 * windowMs), from + most * windowMs) };
}
