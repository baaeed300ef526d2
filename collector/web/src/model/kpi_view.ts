// Which windows of a KPI are shown, for how long, of which site: in the URL.

import { WINDOWS, type Window } from "../api/kpis";
import { windowsFrom } from "./cells";

export interface ShownCells {
  window: Window;
  span: 0 | 1 | 2;
}

export function readShown(params: URLSearchParams, resolution: Window): { shown: ShownCells; site: string | null } {
  const window = WINDOWS.find((w) => w === params.get("window"));
  const span = ([0, 1, 2] as const).find((s) => String(s) === params.get("span"));
  return {
    shown: { window: window !== undefined && windowsFrom(resolution).includes(window) ? window : resolution, span: span ?? 0 },
    site: params.get("site"),
  };
}

export function writeShown(shown: ShownCells, site: string | null): URLSearchParams {
  const out = new URLSearchParams({ window: shown.window });
  if (shown.span !== 0) {
    out.set("span", String(shown.span));
  }
  if (site !== null) {
    out.set("site", site);
  }
  return out;
}

/** As the collector decides it: a region and the sites named besides it; neither is everywhere. */
export function inScope(scope: { region: string; sites: readonly string[] }, site: { id: string; region: string }): boolean {
  if (scope.region === "" && scope.sites.length === 0) {
    return true;
  }
  const inRegion = scope.region !== "" && (site.region === scope.region || site.region.startsWith(`${scope.region}/`));
  return inRegion || scope.sites.includes(site.id);
}
