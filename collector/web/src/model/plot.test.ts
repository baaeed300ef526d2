import { describe, expect, it } from "vitest";

import type { QueryAnswer } from "../api/telemetry";
import { availability, plotData, stack, stripSegments } from "./plot";

function answer(means: (number | null)[], gaps: QueryAnswer["series"][number]["gaps"] = []): QueryAnswer {
  const t = means.map((_, i) => i * 10);
  const points = { t, n: means.map((m) => (m === null ? 0 : 1)), min: means, max: means, mean: means };
  return { from_unix_ms: 0, to_unix_ms: means.length * 10, step_ms: 10, series: [{ id: 1, name: "probe_up", unit: "", labels: {}, points, thinned: [], gaps, doubts: [] }] };
}

const wanted = [{ id: 1, interval_ms: 10 }];

describe("plot data", () => {
  it("tells the extremes and the latest of what is known", () => {
    const data = plotData(answer([3, null, 1, 2, null], [{ from_unix_ms: 40, to_unix_ms: 50, reason: "not_arrived" }]), wanted);
    expect(data.lines[0]).toMatchObject({ lowest: 1, highest: 3, latest: 2 });
    expect(data.gaps).toEqual([{ fromMs: 40, toMs: 50, reason: "pending" }]);
    expect(data.isEmpty).toBe(false);
  });

  it("is empty, not zero, when nothing is known", () => {
    const data = plotData(answer([null, null], [{ from_unix_ms: 0, to_unix_ms: 20, reason: "off" }]), wanted);
    expect(data.isEmpty).toBe(true);
    expect(data.lines[0]).toMatchObject({ lowest: null, highest: null, latest: null });
  });

  it("keeps the order asked for, with an empty line for what did not come", () => {
    const data = plotData(answer([1, 2]), [{ id: 9, interval_ms: 10 }, ...wanted]);
    expect(data.lines.map((l) => l.latest)).toEqual([null, 2]);
  });
});

describe("a thinned step", () => {
  it("is joined to its neighbours, though no sample has its time there", () => {
    const a = answer([1, 2, 2, 2, 3]);
    const [series] = a.series;
    series?.points.n.splice(1, 2, 0, 0);
    series?.thinned.push({ from_unix_ms: 10, to_unix_ms: 40 });
    const data = plotData(a, wanted);
    expect(data.lines[0]?.mean).toEqual([1, 2, 2, 2, 3]);
    expect(data.thinned).toEqual([{ fromMs: 10, toMs: 40 }]);
    expect(data.gaps).toEqual([]);
  });
});

describe("stacking", () => {
  it("adds from below, and knows nothing where a part is missing", () => {
    expect(stack([[1, 2, null, 4], [10, null, 30, 40]], new Set())).toEqual([[1, 2, null, 4], [11, null, null, 44]]);
  });

  it("passes over what the line passes over", () => {
    expect(stack([[1, undefined], [1, 5]], new Set())).toEqual([[1, undefined], [2, undefined]]);
  });

  it("leaves out hidden lines", () => {
    expect(stack([[1, 1], [2, 2], [3, 3]], new Set([1]))[2]).toEqual([4, 4]);
    expect(stack([[1, 1], [2, 2]], new Set([0]))[1]).toEqual([2, 2]);
  });
});

describe("a probe's strip", () => {
  it("shows up, failing and unknown, the last with its reason", () => {
    const data = plotData(answer([1, 1, 0.5, null, null, 1], [{ from_unix_ms: 30, to_unix_ms: 50, reason: "off" }]), wanted);
    expect(stripSegments(data)).toEqual([
      { fromMs: 0, toMs: 20, state: "up", reason: null },
      { fromMs: 20, toMs: 30, state: "failing", reason: null },
      { fromMs: 30, toMs: 50, state: "unknown", reason: "off" },
      { fromMs: 50, toMs: 60, state: "up", reason: null },
    ]);
  });

  it("does not count unknown time as down, nor as up", () => {
    const data = plotData(answer([1, 0, null, null], [{ from_unix_ms: 20, to_unix_ms: 40, reason: "off" }]), wanted);
    expect(availability(data)).toEqual({ upPct: 50, unknownPct: 50 });
    expect(availability(plotData(answer([null], [{ from_unix_ms: 0, to_unix_ms: 10, reason: "off" }]), wanted))).toEqual({ upPct: null, unknownPct: 100 });
  });
});
