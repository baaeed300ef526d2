// Cases: one run of a process at a site, with its steps and events.

import { anything, array, bool, nullable, num, object, record, str, withDefault, type Decoded } from "./decode";
import { cursor } from "./definitions";
import { getJson, queryString, type Result } from "./http";
import { decodeIncident } from "./incidents";

const attrs = withDefault(record(anything), {});

const caseShape = {
  no: num,
  site: str,
  process: str,
  case: str,
  status: withDefault(str, ""),
  begin_unix_ms: num,
  end_unix_ms: nullable(num),
  events: num,
  attrs,
};

const decodeCase = object(caseShape);
export type Case = Decoded<typeof decodeCase>;

export const decodeCases = object({ items: array(decodeCase), next: cursor });
export type Cases = Decoded<typeof decodeCases>;

const decodeStep = object({ step: str, device: withDefault(str, ""), begin_unix_ms: nullable(num), end_unix_ms: nullable(num), uncertainty_ms: nullable(num), attrs });
export type CaseStep = Decoded<typeof decodeStep>;

const decodeCaseEvent = object({ unix_ms: num, uncertainty_ms: nullable(num), device: withDefault(str, ""), type: str, step: withDefault(str, ""), attrs });
export type CaseEvent = Decoded<typeof decodeCaseEvent>;

const decodeWait = object({
  rule: str,
  deadline_unix_ms: num,
  devices: array(object({ device: str, name: str, known_until_unix_ms: nullable(num) })),
  more: withDefault(bool, false),
});
export type CaseWait = Decoded<typeof decodeWait>;

export const decodeCaseDetail = object({
  ...caseShape,
  steps: array(decodeStep),
  event_list: array(decodeCaseEvent),
  incidents: withDefault(array(decodeIncident), []),
  waits: withDefault(array(decodeWait), []),
});
export type CaseDetail = Decoded<typeof decodeCaseDetail>;

export interface CaseFilter {
  site?: string | null;
  process?: string | null;
  open?: boolean;
  from?: number | null;
  to?: number | null;
  before?: string | null;
}

export function listCases(filter: CaseFilter, signal?: AbortSignal): Promise<Result<Cases>> {
  return getJson(`/cases${queryString({ ...filter, open: filter.open === true ? "true" : null, limit: 200 })}`, decodeCases, signal);
}

export function getCase(no: string, signal?: AbortSignal): Promise<Result<CaseDetail>> {
  return getJson(`/cases/${encodeURIComponent(no)}`, decodeCaseDetail, signal);
}
