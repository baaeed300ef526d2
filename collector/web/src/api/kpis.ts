// KPIs: what is measured, its cells (KPI, site, window) with value and completeness, and what each device gave to a cell.

import { array, bool, nullable, num, object, oneOf, page, str, withDefault, type Decoded } from "./decode";
import { changeDefinition, createDefinition, headShape, listDefinitions, listVersions, pathOf, scopeShape, type Draft } from "./definitions";
import { getJson, queryString, type Result } from "./http";

export const WINDOWS = ["1m", "5m", "1h", "1d"] as const;
export type Window = (typeof WINDOWS)[number];
export const SOURCES = ["series", "probe", "step", "case"] as const;
export type Source = (typeof SOURCES)[number];
export const FUNCTIONS = ["mean", "count", "sum", "min", "max", "rate", "share", "percentile"] as const;
export type KpiFunction = (typeof FUNCTIONS)[number];
export const CELL_STATES = ["provisional", "final", "final_incomplete"] as const;

const text = withDefault(str, "");

export const decodeKpi = object({
  ...headShape,
  ...scopeShape,
  sites: withDefault(array(str), []),
  source: oneOf(...SOURCES),
  metric: text,
  probe: text,
  process: text,
  step: text,
  where: text,
  function: oneOf(...FUNCTIONS),
  percentile: nullable(num),
  condition: text,
  resolution: oneOf(...WINDOWS),
  unit: text,
  target: nullable(num),
  good: nullable(oneOf("low", "high")),
});
export type Kpi = Decoded<typeof decodeKpi>;
export const decodeKpis = page(decodeKpi);

const decodeCell = object({
  site: str,
  begin_unix_ms: num,
  end_unix_ms: num,
  version: num,
  value: nullable(num),
  n: num,
  completeness: num,
  ready: bool,
  state: oneOf(...CELL_STATES),
  revisions: withDefault(num, 0),
  known_unix_ms: num,
  clock_doubt_ms: nullable(num),
  /** A device of the site kept means of some minutes in place of the samples. */
  thinned: withDefault(bool, false),
});
export type Cell = Decoded<typeof decodeCell>;

export const decodeCells = object({ items: array(decodeCell), kpi: str, window: oneOf(...WINDOWS), unit: text });
export type Cells = Decoded<typeof decodeCells>;

export const decodeParts = object({
  items: array(
    object({ device: str, version: num, expected_ms: num, covered_ms: num, gone_ms: num, value: nullable(num), n: num }),
  ),
  revisions: array(
    object({
      n: num,
      value: nullable(num),
      completeness: num,
      state: oneOf(...CELL_STATES),
      known_unix_ms: num,
      revised_unix_ms: num,
      why: str,
    }),
  ),
});
export type Parts = Decoded<typeof decodeParts>;
export type Part = Parts["items"][number];

export interface CellQuery {
  window: Window;
  site: string | null;
  fromMs: number;
  toMs: number;
}

// More cells than any chart here asks for.
const MOST_CELLS = 2000;

export function listKpis(signal?: AbortSignal): Promise<Result<Kpi[]>> {
  return listDefinitions("kpis", decodeKpis, signal);
}

export function getKpi(id: string, signal?: AbortSignal): Promise<Result<Kpi>> {
  return getJson(pathOf("kpis", id), decodeKpi, signal);
}

export function kpiVersions(id: string, signal?: AbortSignal): Promise<Result<Kpi[]>> {
  return listVersions("kpis", id, decodeKpis, signal);
}

export function createKpi(draft: Draft): Promise<Result<Kpi>> {
  return createDefinition("kpis", draft, decodeKpi);
}

export function changeKpi(kpi: { id: string; version: number }, draft: Draft): Promise<Result<Kpi>> {
  return changeDefinition("kpis", kpi, draft, decodeKpi);
}

export function listCells(id: string, query: CellQuery, signal?: AbortSignal): Promise<Result<Cells>> {
  const params = queryString({ window: query.window, site: query.site, from: query.fromMs, to: query.toMs, limit: MOST_CELLS });
  return getJson(`${pathOf("kpis", id)}/cells${params}`, decodeCells, signal);
}

export function latestCells(id: string, window: Window, signal?: AbortSignal): Promise<Result<Cells>> {
  return getJson(`${pathOf("kpis", id)}/latest${queryString({ window })}`, decodeCells, signal);
}

export function cellParts(id: string, window: Window, site: string, beginMs: number, signal?: AbortSignal): Promise<Result<Parts>> {
  return getJson(`${pathOf("kpis", id)}/parts${queryString({ window, site, begin: beginMs })}`, decodeParts, signal);
}
