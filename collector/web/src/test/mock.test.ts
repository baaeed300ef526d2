// The stand-in that the browser test uses has to speak the collector's language, or that test proves nothing.

import { describe, expect, it } from "vitest";

import { decodeDevice, decodeDevices, decodeUsage } from "../api/devices";
import { decodeGaps, decodeSetAside, decodeStatus } from "../api/ledger";
import { decodeLink } from "../api/link";
import { decodeMetricCatalogue, decodeMetricLabels, decodeMetricLatest, decodeMetricQuery, decodeMetrics } from "../api/metrics";
import { decodeOverview } from "../api/overview";
import { decodeSites } from "../api/sites";
import { decodeStorage } from "../api/storage";
import { decodeEvents, decodeQuery, decodeSeriesList } from "../api/telemetry";

interface World {
  sites: unknown[];
  devices: { id: string }[];
  series: Map<string, { id: number }[]>;
}
interface Module {
  makeWorld: (now: number) => World;
  overview: (world: World, now: number) => unknown;
  listDevices: (world: World, now: number) => unknown[];
  querySeries: (world: World, ids: number[], from: number, to: number, step: number, now: number) => unknown;
  gapLedger: (world: World, now: number) => unknown;
  setAside: (world: World, now: number) => unknown;
  events: (world: World, device: { id: string }, from: number, to: number, now: number) => unknown;
  status: (world: World, now: number) => unknown;
}

interface LinkModule {
  linkHistory: (world: World, device: { id: string }, from: number, to: number, now: number) => unknown;
  reportOf: (device: { id: string }, now: number) => unknown;
  usageOf: (device: { id: string }, now: number) => unknown;
}

interface MetricsModule {
  listMetrics: (world: World) => unknown;
  catalogue: (world: World) => unknown;
  metricLabels: (world: World, metric: string) => unknown;
  queryMetric: (world: World, params: URLSearchParams, now: number) => unknown;
  latestOf: (world: World, params: URLSearchParams, now: number) => unknown;
  storage: (world: World, now: number) => unknown;
}

const { href } = new URL("../../../../tests/browser/mock/world.mjs", import.meta.url);
const mock = (await import(/* @vite-ignore */ href)) as Module;
const link = (await import(/* @vite-ignore */ new URL("link.mjs", href).href)) as LinkModule;
const metrics = (await import(/* @vite-ignore */ new URL("metrics.mjs", href).href)) as MetricsModule;
const NOW = 1_795_000_000_000;
const world = mock.makeWorld(NOW);

describe("the stand-in collector", () => {
  it("answers in shapes that the app decodes", () => {
    decodeOverview(mock.overview(world, NOW), "overview");
    decodeDevices({ items: mock.listDevices(world, NOW), next: null }, "devices");
    decodeSites({ items: world.sites, next: null }, "sites");
    decodeGaps(mock.gapLedger(world, NOW), "gaps");
    decodeSetAside(mock.setAside(world, NOW), "set-aside");
    decodeStatus(mock.status(world, NOW), "status");
    for (const device of world.devices) {
      decodeSeriesList({ items: world.series.get(device.id), next: null }, device.id);
      decodeEvents(mock.events(world, device, 0, NOW, NOW), device.id);
    }
  });

  it("tells a device's link without holes, in as few spans as the collector would", () => {
    for (const [i, device] of world.devices.entries()) {
      decodeDevice({ ...(mock.listDevices(world, NOW)[i] as object), report: link.reportOf(device, NOW) }, device.id);
      decodeUsage(link.usageOf(device, NOW), device.id);
      for (const days of [1, 7, 30]) {
        const from = NOW - days * 86_400_000;
        const history = decodeLink(link.linkHistory(world, device, from, NOW, NOW), device.id);
        for (const spans of [history.combined, ...history.streams.map((s) => s.spans)]) {
          expect(spans.length).toBeLessThanOrEqual(248);
          expect(spans.map((s) => s.from_unix_ms)).toEqual([from, ...spans.slice(0, -1).map((s) => s.to_unix_ms)]);
        }
        expect(Object.values(history.total_ms).reduce((a, b) => a + b, 0)).toBe(NOW - from);
      }
    }
  });

  it("answers questions about a metric, with nulls, gaps and a step of its own", () => {
    const names = decodeMetrics(metrics.listMetrics(world), "metrics").items.map((m) => m.name);
    expect(names).toContain("cpu_used_pct");
    expect(decodeMetricCatalogue(metrics.catalogue(world), "catalogue").items.length).toBe(names.length - 1);
    decodeMetricLabels(metrics.metricLabels(world, "net_sent_bytes_total"), "labels");
    decodeStorage(metrics.storage(world, NOW), "storage");
    const asked = new URLSearchParams({ metric: "cpu_used_pct", agg: "p95", group: "site", from: String(NOW - 3_600_000), to: String(NOW + 600_000), points: "60" });
    const answer = decodeMetricQuery(metrics.queryMetric(world, asked, NOW), "query");
    expect(answer.groups.length).toBeGreaterThan(3);
    expect(answer.groups.every((g) => g.value.length === answer.t.length && g.gaps.some((x) => x.reason === "future"))).toBe(true);
    expect(decodeMetricLatest(metrics.latestOf(world, asked, NOW), "latest").state).toContain("stale");
  });

  it("answers every step of a query, with nulls and gaps where nothing is known", () => {
    const [first] = world.series.get("shanghai-xuhui-server") ?? [];
    const answer = decodeQuery(mock.querySeries(world, [first?.id ?? 0], NOW - 3_600_000, NOW, 60_000, NOW), "query");
    expect(answer.series[0]?.points.t).toHaveLength(60);
    expect(answer.series[0]?.points.mean.some((m) => m === null)).toBe(true);
    expect(answer.series[0]?.gaps.length).toBeGreaterThan(1);
  });
});
