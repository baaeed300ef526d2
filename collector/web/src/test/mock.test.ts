// The stand-in that the browser test uses has to speak the collector's language, or that test proves nothing.

import { describe, expect, it } from "vitest";

import { decodeDevices } from "../api/devices";
import { decodeGaps, decodeSetAside, decodeStatus } from "../api/ledger";
import { decodeOverview } from "../api/overview";
import { decodeSites } from "../api/sites";
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

const { href } = new URL("../../../../tests/browser/mock/world.mjs", import.meta.url);
const mock = (await import(/* @vite-ignore */ href)) as Module;
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

  it("answers every step of a query, with nulls and gaps where nothing is known", () => {
    const [first] = world.series.get("shanghai-xuhui-server") ?? [];
    const answer = decodeQuery(mock.querySeries(world, [first?.id ?? 0], NOW - 3_600_000, NOW, 60_000, NOW), "query");
    expect(answer.series[0]?.points.t).toHaveLength(60);
    expect(answer.series[0]?.points.mean.some((m) => m === null)).toBe(true);
    expect(answer.series[0]?.gaps.length).toBeGreaterThan(1);
  });
});
