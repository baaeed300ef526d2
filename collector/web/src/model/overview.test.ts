import { describe, expect, it } from "vitest";

import type { OverviewSite } from "../api/overview";
import { filterSites, lateByMs, NO_FILTER, regionsOf, tagsOf, worstFirst } from "./overview";

const NOW = 10_000_000;

function site(id: string, over: Partial<OverviewSite> = {}): OverviewSite {
  return {
    id, name: id, region: "", zone: "UTC", tags: {}, state: "up", devices: { up: 1, down: 0, unknown: 0, never: 0 }, data_until_unix_ms: NOW - 1000, last_seen_unix_ms: NOW,
    oldest_data_until_unix_ms: NOW - 1000, probes: { ok: 1, failing: 0, unknown: 0 }, backlog: { devices: 0, batches: 0 }, cpu_used_pct: 1, memory_used_pct: 1, incidents: { info: 0, warning: 0, critical: 0 }, ...over,
  };
}

describe("worst first", () => {
  it("puts failing before unknown before late before up before never seen", () => {
    const sites = [
      site("never", { state: "never", data_until_unix_ms: null, oldest_data_until_unix_ms: null }),
      site("fine"),
      site("late", { oldest_data_until_unix_ms: NOW - 600_000 }),
      site("silent-short", { state: "unknown", data_until_unix_ms: NOW - 1e6 }),
      site("silent-long", { state: "unknown", data_until_unix_ms: NOW - 5e6 }),
      site("down-1", { state: "down", probes: { ok: 0, failing: 1, unknown: 0 } }),
      site("down-2", { state: "down", probes: { ok: 0, failing: 2, unknown: 0 } }),
    ];
    expect(worstFirst(sites, NOW).map((s) => s.id)).toEqual(["down-2", "down-1", "silent-long", "silent-short", "late", "fine", "never"]);
  });

  it("leaves its input as it was", () => {
    const sites = [site("b"), site("a")];
    worstFirst(sites, NOW);
    expect(sites.map((s) => s.id)).toEqual(["b", "a"]);
  });
});

describe("late", () => {
  it("is a site that reports while one of its devices is behind; a silent one is unknown, not late", () => {
    const old = { oldest_data_until_unix_ms: NOW - 200_000 };
    expect(lateByMs(site("a", old), NOW)).toBe(200_000);
    expect(lateByMs(site("a", { ...old, state: "unknown" }), NOW)).toBe(0);
    expect(lateByMs(site("a"), NOW)).toBe(0);
    expect(lateByMs(site("a", { oldest_data_until_unix_ms: null }), NOW)).toBe(0);
  });
});

describe("filters", () => {
  const sites = [
    site("sh", { name: "上海徐汇店", region: "east/shanghai", tags: { kind: "store" } }),
    site("hz", { name: "杭州", region: "east/zhejiang", state: "unknown", tags: { kind: "depot" } }),
    site("eastern", { name: "Eastern", region: "eastern", tags: { new: "" } }),
  ];
  const ids = (over: Partial<typeof NO_FILTER>): string[] => filterSites(sites, { ...NO_FILTER, ...over }, NOW).map((s) => s.id);

  it("take words in any order, of name, region and tags", () => {
    expect(ids({ text: "徐汇" })).toEqual(["sh"]);
    expect(ids({ text: "STORE east" })).toEqual(["sh"]);
    expect(ids({ text: "depot store" })).toEqual([]);
  });

  it("take a region with all below it, and not one that only begins alike", () => {
    expect(ids({ region: "east" })).toEqual(["sh", "hz"]);
  });

  it("take state and tag", () => {
    expect(ids({ state: "unknown" })).toEqual(["hz"]);
    expect(ids({ state: "late" })).toEqual([]);
    expect(ids({ tag: "kind=depot" })).toEqual(["hz"]);
    expect(ids({ tag: "new" })).toEqual(["eastern"]);
  });

  it("offer every level of the regions and every tag once", () => {
    expect(regionsOf(sites)).toEqual(["east", "east/shanghai", "east/zhejiang", "eastern"]);
    expect(tagsOf(sites)).toEqual(["kind=depot", "kind=store", "new"]);
  });
});
