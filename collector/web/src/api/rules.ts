// Rules: when an incident opens and who is told; and what a rule found when it was evaluated.

import { array, bool, nullable, num, object, oneOf, page, str, withDefault, type Decoded } from "./decode";
import { changeDefinition, createDefinition, headShape, listDefinitions, listVersions, pathOf, scopeShape, type Draft } from "./definitions";
import { getJson, queryString, type Result } from "./http";
import { WINDOWS } from "./kpis";

export const RULE_KINDS = ["threshold", "case_open", "no_data"] as const;
export type RuleKind = (typeof RULE_KINDS)[number];
export const SEVERITIES = ["critical", "warning", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];
export const OPS = [">", ">=", "<", "<=", "=", "!="] as const;
export type Op = (typeof OPS)[number];
export const OUTCOMES = ["true", "false", "unknown"] as const;
export type Outcome = (typeof OUTCOMES)[number];

const text = withDefault(str, "");

export const decodeRule = object({
  ...headShape,
  ...scopeShape,
  sites: withDefault(array(str), []),
  kind: oneOf(...RULE_KINDS),
  severity: oneOf(...SEVERITIES),
  kpi: text,
  window: nullable(oneOf(...WINDOWS)),
  op: nullable(str),
  value: nullable(num),
  for: nullable(num),
  completeness: nullable(num),
  wait: nullable(num),
  process: text,
  limit_ms: nullable(num),
  where: text,
  after_ms: nullable(num),
  channels: withDefault(array(str), []),
  tell_end: withDefault(bool, true),
});
export type Rule = Decoded<typeof decodeRule>;
export const decodeRules = page(decodeRule);

const decodeRun = object({
  begin_unix_ms: num,
  end_unix_ms: num,
  outcome: oneOf(...OUTCOMES),
  windows: num,
  completeness: num,
  value_min: nullable(num),
  value_max: nullable(num),
  version: num,
});
export type Run = Decoded<typeof decodeRun>;
export const decodeRuns = object({ items: array(decodeRun) });

export function listRules(signal?: AbortSignal): Promise<Result<Rule[]>> {
  return listDefinitions("rules", decodeRules, signal);
}

export function getRule(id: string, signal?: AbortSignal): Promise<Result<Rule>> {
  return getJson(pathOf("rules", id), decodeRule, signal);
}

export function ruleVersions(id: string, signal?: AbortSignal): Promise<Result<Rule[]>> {
  return listVersions("rules", id, decodeRules, signal);
}

export function createRule(draft: Draft): Promise<Result<Rule>> {
  return createDefinition("rules", draft, decodeRule);
}

export function changeRule(rule: { id: string; version: number }, draft: Draft): Promise<Result<Rule>> {
  return changeDefinition("rules", rule, draft, decodeRule);
}

// Neighbouring windows with one outcome are one run; a range that has more flickers too much to read.
const MOST_RUNS = 1000;

export async function listRuns(id: string, site: string, fromMs: number, toMs: number, signal?: AbortSignal): Promise<Result<Run[]>> {
  const query = queryString({ site, from: fromMs, to: toMs, limit: MOST_RUNS });
  const res = await getJson(`${pathOf("rules", id)}/runs${query}`, decodeRuns, signal);
  return res.ok ? { ok: true, value: res.value.items } : res;
}
