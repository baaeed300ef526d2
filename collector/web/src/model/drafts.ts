// From what a form holds to what is written: a field that is empty is left out, or removed where it was set before.

export type Values = Record<string, unknown>;

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);
}

/** `before`: the newest version, or null for a new definition. */
export function draftOf(values: Values, before: object | null): Values {
  const old = before as Values | null;
  const out: Values = {};
  for (const [key, raw] of Object.entries(values)) {
    const value = typeof raw === "string" ? raw.trim() : raw;
    if (!isEmpty(value)) {
      out[key] = value;
    } else if (old !== null && !isEmpty(old[key])) {
      out[key] = null;
    }
  }
  return out;
}

/** Since when a version is in force, as a choice; null is "now". */
export const FROM_MS = { now: null, "1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000 } as const;
export type From = keyof typeof FROM_MS;

export function fromField(from: From, nowMs: number): Values {
  const ago = FROM_MS[from];
  return ago === null ? {} : { from_unix_ms: Math.floor((nowMs - ago) / 60_000) * 60_000 };
}

export interface KpiFields {
  id?: string;
  name: string;
  source: "series" | "probe" | "step" | "case";
  metric?: string;
  probe?: string;
  process?: string;
  step?: string;
  where?: string;
  function: "mean" | "count" | "sum" | "min" | "max" | "rate" | "share" | "percentile";
  percentile?: number | null;
  condition?: string;
  resolution: "1m" | "5m" | "1h" | "1d";
  unit?: string;
  target?: number | null;
  good?: "low" | "high" | null;
  region?: string;
  sites?: string[];
  from: From;
}

/** Fields that the chosen source and function do not have are emptied, whatever the form still holds of them. */
export function kpiDraft(f: KpiFields, before: object | null, nowMs: number): Values {
  const isSample = f.source === "series" || f.source === "probe";
  const values: Values = {
    name: f.name,
    source: f.source,
    metric: isSample ? f.metric : null,
    probe: f.source === "probe" ? f.probe : null,
    process: isSample ? null : f.process,
    step: f.source === "step" ? f.step : null,
    where: f.where,
    function: f.function,
    percentile: f.function === "percentile" ? f.percentile : null,
    condition: f.function === "share" ? f.condition : null,
    resolution: f.resolution,
    unit: f.unit,
    target: f.target,
    good: f.target === null || f.target === undefined ? null : f.good,
    region: f.region,
    sites: f.sites,
  };
  return { ...(before === null ? draftOf({ id: f.id }, null) : {}), ...draftOf(values, before), ...fromField(f.from, nowMs) };
}

export interface RuleFields {
  id?: string;
  name: string;
  kind: "threshold" | "case_open" | "no_data";
  severity: "critical" | "warning" | "info";
  kpi?: string;
  window?: string;
  op?: string;
  value?: number | null;
  for?: number | null;
  completeness_pct?: number | null;
  wait?: number | null;
  process?: string;
  limit_min?: number | null;
  where?: string;
  after_min?: number | null;
  region?: string;
  sites?: string[];
  channels?: string[];
  tell_end: boolean;
  from: From;
}

export function ruleDraft(f: RuleFields, before: object | null, nowMs: number): Values {
  const only = (kind: RuleFields["kind"], value: unknown): unknown => (f.kind === kind ? value : null);
  const ms = (minutes: number | null | undefined): number | null => (minutes === null || minutes === undefined ? null : Math.round(minutes * 60_000));
  const values: Values = {
    name: f.name,
    kind: f.kind,
    severity: f.severity,
    kpi: only("threshold", f.kpi),
    window: only("threshold", f.window),
    op: only("threshold", f.op),
    value: only("threshold", f.value),
    for: only("threshold", f.for),
    completeness: only("threshold", f.completeness_pct === null || f.completeness_pct === undefined ? null : f.completeness_pct / 100),
    wait: only("threshold", f.wait),
    process: only("case_open", f.process),
    limit_ms: only("case_open", ms(f.limit_min)),
    where: only("case_open", f.where),
    after_ms: only("no_data", ms(f.after_min)),
    region: f.region,
    sites: f.sites,
    channels: f.channels,
    tell_end: f.tell_end,
  };
  return { ...(before === null ? draftOf({ id: f.id }, null) : {}), ...draftOf(values, before), ...fromField(f.from, nowMs) };
}

export interface ChannelFields {
  id?: string;
  name: string;
  kind: "email" | "webhook";
  language: "zh-CN" | "en";
  /** Addresses, however people separate them. */
  to?: string;
  url?: string;
  /** Made by the collector (a new channel) or by this page (a new secret for an old one), given, or as it was. */
  secret_from: "made" | "given" | "kept";
  secret?: string;
  /** What this page made. */
  made?: string;
}

export function addressesOf(text: string): string[] {
  return [...new Set(text.split(/[\s,;，；、]+/).filter((a) => a !== ""))];
}

/** As the collector makes them: Standard Webhooks' prefix and base64. */
export function secretOf(bytes: Uint8Array): string {
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}

/** A kind stays: it is written once. */
export function channelDraft(f: ChannelFields, before: object | null): Values {
  const secret = f.secret_from === "given" ? f.secret : f.secret_from === "made" && before !== null ? f.made : null;
  const values: Values = {
    name: f.name,
    language: f.language,
    to: f.kind === "email" ? addressesOf(f.to ?? "") : null,
    url: f.kind === "webhook" ? f.url : null,
    secret: f.kind === "webhook" ? secret : null,
  };
  return { ...(before === null ? draftOf({ id: f.id, kind: f.kind }, null) : {}), ...draftOf(values, before) };
}

export interface ProcessFields {
  id?: string;
  name: string;
  steps: string[];
  done?: string;
  from: From;
}

export function processDraft(f: ProcessFields, before: object | null, nowMs: number): Values {
  const values: Values = { name: f.name, steps: f.steps.map((s) => s.trim()).filter((s) => s !== ""), done: f.done };
  return { ...(before === null ? draftOf({ id: f.id }, null) : {}), ...draftOf(values, before), ...fromField(f.from, nowMs) };
}
