// The overview's questions, in this order: what is wrong, what is late, what is simply not known.

import type { OverviewSite, SiteState } from "../api/overview";

// A site whose newest data are current may still have a device that lags; the collector calls data current for 3 min.
export const CURRENT_MS = 180_000;

/** How far the slowest device of a site that does report is behind, in ms; 0 when none is. */
export function lateByMs(site: OverviewSite, nowMs: number): number {
  if ((site.state !== "up" && site.state !== "down") || site.oldest_data_until_unix_ms === null) {
    return 0;
  }
  const age = nowMs - site.oldest_data_until_unix_ms;
  return age > CURRENT_MS ? age : 0;
}

const RANK: Record<SiteState, number> = { down: 0, unknown: 1, up: 3, never: 4 };

function rank(site: OverviewSite, nowMs: number): number {
  const needsLooking = lateByMs(site, nowMs) > 0 || site.probes.failing > 0 || incidentWeight(site) > 0;
  return site.state === "up" && needsLooking ? 2 : RANK[site.state];
}

/** One critical incident outweighs any number of warnings, one warning any number of notes. */
export function incidentWeight(site: OverviewSite): number {
  const { critical, warning, info } = site.incidents;
  return critical * 1e8 + Math.min(warning, 9999) * 1e4 + Math.min(info, 9999);
}

/** Worst first: failing, unknown (longest silent first), late or with incidents, up, never seen; then by incidents and name. */
export function worstFirst(sites: readonly OverviewSite[], nowMs: number): OverviewSite[] {
  return [...sites].sort((a, b) => {
    const byRank = rank(a, nowMs) - rank(b, nowMs);
    if (byRank !== 0) {
      return byRank;
    }
    if (a.state === "down") {
      const byProbes = b.probes.failing - a.probes.failing;
      if (byProbes !== 0) {
        return byProbes;
      }
    }
    if (a.state === "unknown") {
      const byAge = (a.data_until_unix_ms ?? 0) - (b.data_until_unix_ms ?? 0);
      if (byAge !== 0) {
        return byAge;
      }
    }
    return incidentWeight(b) - incidentWeight(a) || a.name.localeCompare(b.name);
  });
}

export interface OverviewFilter {
  text: string;
  state: SiteState | "late" | null;
  region: string | null;
  /** "key=value" */
  tag: string | null;
}

export const NO_FILTER: OverviewFilter = { text: "", state: null, region: null, tag: null };

export function tagText(key: string, value: string): string {
  return value === "" ? key : `${key}=${value}`;
}

function inRegion(region: string, wanted: string): boolean {
  return region === wanted || region.startsWith(`${wanted}/`);
}

export function filterSites(sites: readonly OverviewSite[], filter: OverviewFilter, nowMs: number): OverviewSite[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter((w) => w !== "");
  return sites.filter((site) => {
    const tags = Object.entries(site.tags).map(([k, v]) => tagText(k, v));
    const hay = [site.id, site.name, site.region, ...tags].join(" ").toLowerCase();
    const inState = filter.state === null || (filter.state === "late" ? lateByMs(site, nowMs) > 0 : site.state === filter.state);
    return (
      inState &&
      words.every((w) => hay.includes(w)) &&
      (filter.region === null || inRegion(site.region, filter.region)) &&
      (filter.tag === null || tags.includes(filter.tag))
    );
  });
}

/** Every region and every region above it: "east/shanghai" also offers "east". */
export function regionsOf(sites: readonly { region: string }[]): string[] {
  const out = new Set<string>();
  for (const { region } of sites) {
    const parts = region.split("/").filter((p) => p !== "");
    parts.forEach((_, i) => out.add(parts.slice(0, i + 1).join("/")));
  }
  return [...out].sort((a, b) => a.localeCompare(b));
}

export function tagsOf(sites: readonly { tags: Record<string, string> }[]): string[] {
  const out = new Set<string>();
  for (const { tags } of sites) {
    for (const [k, v] of Object.entries(tags)) {
      out.add(tagText(k, v));
    }
  }
  return [...out].sort((a, b) => a.localeCompare(b));
}

export function countLate(sites: readonly OverviewSite[], nowMs: number): number {
  return sites.filter((s) => lateByMs(s, nowMs) > 0).length;
}
