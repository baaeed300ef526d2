// Incidents: what rules found, with begin and end in event time, when the centre came to know, and what people did about it.

import { anything, array, nullable, num, object, oneOf, record, str, withDefault, type Decoded, type Decoder } from "./decode";
import { cursor } from "./definitions";
import { getJson, queryString, send, type Result } from "./http";
import { decodeMessage } from "./messages";
import { SEVERITIES } from "./rules";

export const INCIDENT_STATES = ["open", "acknowledged", "resolved", "withdrawn", "merged"] as const;
export type IncidentState = (typeof INCIDENT_STATES)[number];
export const NOTICES = ["undecided", "paged", "digest", "none"] as const;

const text = withDefault(str, "");

const decodeThresholdFacts = object({
  kind: oneOf("threshold"),
  kpi: str,
  kpi_name: text,
  unit: text,
  window: text,
  op: text,
  threshold: num,
  for: withDefault(num, 1),
  worst: nullable(num),
  windows: withDefault(array(object({ begin_unix_ms: num, end_unix_ms: num, value: nullable(num), completeness: num })), []),
  true_windows: withDefault(num, 0),
  unknown_ms: withDefault(num, 0),
});
export type ThresholdFacts = Decoded<typeof decodeThresholdFacts>;

const decodeCaseFacts = object({
  kind: oneOf("case_open"),
  process: str,
  process_name: text,
  case: str,
  limit_ms: num,
  begin_unix_ms: num,
  deadline_unix_ms: num,
  end_unix_ms: nullable(num),
  status: text,
  attrs: withDefault(record(anything), {}),
});
export type CaseFacts = Decoded<typeof decodeCaseFacts>;

const decodeNoDataFacts = object({ kind: oneOf("no_data"), device: str, last_unix_ms: nullable(num), after_ms: num });
export type NoDataFacts = Decoded<typeof decodeNoDataFacts>;

export type Facts = ThresholdFacts | CaseFacts | NoDataFacts;

/** null: a kind that a newer collector knows; the page then says only what every incident has. */
const decodeFacts: Decoder<Facts | null> = (raw, at) => {
  const kind = object({ kind: withDefault(str, "") })(raw, at).kind;
  switch (kind) {
    case "threshold":
      return decodeThresholdFacts(raw, at);
    case "case_open":
      return decodeCaseFacts(raw, at);
    case "no_data":
      return decodeNoDataFacts(raw, at);
    default:
      return null;
  }
};

const incidentShape = {
  id: num,
  rule: str,
  rule_name: text,
  rule_version: num,
  site: str,
  site_name: text,
  zone: withDefault(str, "UTC"),
  subject: text,
  severity: oneOf(...SEVERITIES),
  begin_unix_ms: num,
  end_unix_ms: nullable(num),
  clock_doubt_ms: nullable(num),
  last_true_unix_ms: num,
  known_unix_ms: num,
  changed_unix_ms: num,
  state: oneOf(...INCIDENT_STATES),
  assignee: nullable(str),
  merged_into: nullable(num),
  notice: oneOf(...NOTICES),
  explanation: decodeFacts,
  version: num,
};

export const decodeIncident = object(incidentShape);
export type Incident = Decoded<typeof decodeIncident>;

export const decodeIncidents = object({ items: array(decodeIncident), next: cursor });
export type Incidents = Decoded<typeof decodeIncidents>;

const decodeEntry = object({ n: num, unix_ms: num, actor: str, kind: str, detail: withDefault(record(anything), {}) });
export type Entry = Decoded<typeof decodeEntry>;

export const decodeIncidentDetail = object({
  ...incidentShape,
  case_no: nullable(num),
  entries: array(decodeEntry),
  messages: withDefault(array(decodeMessage), []),
});
export type IncidentDetail = Decoded<typeof decodeIncidentDetail>;

export interface IncidentQuery {
  state?: string | null;
  site?: string | null;
  rule?: string | null;
  assignee?: string | null;
  before?: string | null;
}

export function listIncidents(query: IncidentQuery, signal?: AbortSignal): Promise<Result<Incidents>> {
  return getJson(`/incidents${queryString({ ...query, limit: 200 })}`, decodeIncidents, signal);
}

export function getIncident(id: string, signal?: AbortSignal): Promise<Result<IncidentDetail>> {
  return getJson(`/incidents/${encodeURIComponent(id)}`, decodeIncidentDetail, signal);
}

function act(incident: { id: number; version: number }, what: string, body: unknown): Promise<Result<IncidentDetail>> {
  return send({ method: "POST", path: `/incidents/${incident.id}/${what}`, body, version: incident.version }, decodeIncidentDetail);
}

export function acknowledge(incident: IncidentDetail): Promise<Result<IncidentDetail>> {
  return act(incident, "acknowledge", {});
}

/** null: nobody. */
export function assign(incident: IncidentDetail, user: string | null): Promise<Result<IncidentDetail>> {
  return act(incident, "assign", { user });
}

export function resolveIncident(incident: IncidentDetail, comment: string): Promise<Result<IncidentDetail>> {
  return act(incident, "resolve", comment === "" ? {} : { comment });
}

/** Without the version: a comment takes nothing from what somebody else did meanwhile. */
export function comment(incident: IncidentDetail, said: string): Promise<Result<IncidentDetail>> {
  return send({ method: "POST", path: `/incidents/${incident.id}/comments`, body: { text: said } }, decodeIncidentDetail);
}
