import { describe, expect, it } from "vitest";

import type { QueriedSeries, Series } from "../api/telemetry";
import { checksOf, DAY, inletsOf, rises, silentOnes, withOlder } from "./inlets";

const STEP = 300_000;
const H = 3_600_000;
const AT = Date.UTC(2026, 10, 29);

type Bin = number | null | [number, number];
type Span = [number, number];

/** One bin a step, from `fromMs` on: a value, [min, max], or nothing. */
function answer(id: number, bins: Bin[], gaps: Span[] = [], fromMs = AT, stepMs = STEP): QueriedSeries {
  const part = (i: 0 | 1): (number | null)[] => bins.map((b) => (Array.isArray(b) ? b[i] : b));
  return {
    id, name: "", unit: "", labels: {}, thinned: [], doubts: [],
    points: { t: bins.map((_, i) => fromMs + i * stepMs), n: bins.map((b) => (b === null ? 0 : 30)), min: part(0), max: part(1), mean: part(1) },
    gaps: gaps.map(([a, b]) => ({ from_unix_ms: fromMs + a * stepMs, to_unix_ms: fromMs + b * stepMs, reason: "not_arrived" })),
  };
}

function series(id: number, name: string, labels: Record<string, string>): Series {
  return { id, name, unit: "1", kind: name.endsWith("_total") ? "counter" : "gauge", stream: "host", interval_ms: 10_000, labels, first_unix_ms: null, last_unix_ms: null };
}

describe("how a counter rose", () => {
  it.each<[string, Bin[], Span[], [number, number][]]>([
    ["not at all", [4, 4, 4], [], []],
    ["within steps and between them", [4, [4, 6], 9], [], [[1, 2], [2, 3]]],
    ["what stood there at the begin is not known to have come in the range", [7, 7], [], []],
    ["its first value ever is one", [null, null, 1, 1], [], [[2, 1]]],
    ["so is what it shows after a new start", [null, 9, [3, 9], 5], [], [[1, 9], [2, 3], [3, 2]]],
    ["and after a start after which it was quiet for long", [9, null, null, 12], [], [[3, 12]]],
    ["what came while nothing was told is one when it is told", [9, null, null, 12], [[1, 3]], [[3, 3]]],
    ["nothing is known of a range that begins with a gap", [null, null, 12], [[0, 2]], []],
    ["nothing", [], [], []],
  ])("%s", (_, bins, gaps, want) => {
    expect(rises(answer(1, bins, gaps), STEP, 10_000).map((r) => [(r.fromMs - AT) / STEP, r.by])).toEqual(want);
  });

  it("counts from 0 where the device itself is new", () => {
    const fresh = answer(1, [null, null, 12, [12, 13]]);
    const gaps = [
      { from_unix_ms: AT, to_unix_ms: AT + 2 * STEP - 150, reason: "not_yet_installed" },
      { from_unix_ms: AT + 2 * STEP - 150, to_unix_ms: AT + 2 * STEP, reason: "not_arrived" },
    ];
    expect(rises({ ...fresh, gaps }, STEP, 10_000).map((r) => [(r.fromMs - AT) / STEP, r.by])).toEqual([[2, 12], [3, 1]]);
    const here = answer(1, [12, [12, 13]]);
    expect(rises({ ...here, gaps: [{ from_unix_ms: AT, to_unix_ms: AT + STEP / 2, reason: "not_yet_installed" }] }, STEP, 10_000).map((r) => r.by)).toEqual([12, 1]);
  });

  it("is not believed to have begun anew between samples that lie further apart than steps", () => {
    expect(rises(answer(1, [5, null, 6, null, 6]), STEP, 600_000).map((r) => r.by)).toEqual([1]);
  });
});

const bins = (n: number, at: (i: number) => Bin): Bin[] => Array.from({ length: n }, (_, i) => at(i));

describe("inlets", () => {
  const untilMs = AT + DAY.rangeMs - 60_000;
  const all = [
    series(1, "agent_inlet_reports_total", { inlet: "steps" }), series(2, "agent_inlet_reports_total", { inlet: "drop" }),
    series(3, "agent_inlet_refused_total", { inlet: "steps", reason: "bad_lines" }), series(4, "agent_inlet_refused_total", { inlet: "steps", reason: "late" }),
    series(5, "agent_inlet_refused_total", { inlet: "http", reason: "unauthorized" }), series(6, "agent_inlet_lost_total", { inlet: "drop" }), series(7, "cpu_used_pct", {}),
  ];
  const answers = [
    answer(1, bins(288, (i) => 100 + i)), answer(2, bins(288, () => 7)),
    answer(3, bins(288, (i) => (i < 200 ? 1 : 3))), answer(4, bins(288, (i) => (i < 10 ? null : 40))),
    answer(5, bins(288, (i) => (i < 287 ? null : 2))), answer(6, bins(288, (i) => (i < 50 ? 1 : 6))),
  ];
  const known = { series: all, answers, untilMs };
  const inlets = inletsOf(known);

  it("are told with their newest report, their pace and what they refused, the most frequent reason first", () => {
    expect(inlets.map((x) => x.inlet)).toEqual(["steps", "drop", "http"]);
    expect(inlets[0]).toEqual({
      inlet: "steps", lastMs: untilMs, perMinute: 0.2, day: 287, lost: 0,
      refused: [{ reason: "late", count: 40, lastMs: AT + 11 * STEP }, { reason: "bad_lines", count: 2, lastMs: AT + 201 * STEP }],
    });
    expect(inlets[1]).toMatchObject({ lastMs: null, perMinute: 0, day: 0, lost: 5 });
    expect(inlets[2]).toMatchObject({ lastMs: null, refused: [{ reason: "unauthorized", count: 2, lastMs: untilMs }] });
  });

  it("that were silent all day are looked for further back", () => {
    expect(silentOnes(known)).toEqual([2]);
    const older = answer(2, [1, 1, 7, 7], [], AT - 4 * H, H);
    expect(withOlder(inlets, { ...known, answers: [older] })[1]?.lastMs).toBe(AT - H);
    expect(withOlder(inlets, { ...known, answers: [] })[1]?.lastMs).toBeNull();
    // Samples go by their age sooner than one looks back: nothing is said of before.
    const gone = { ...answer(2, []), gaps: [{ from_unix_ms: untilMs - 14 * 24 * H, to_unix_ms: untilMs - 168 * H, reason: "not_kept" as const }] };
    expect(withOlder(inlets, { ...known, answers: [gone] })[1]).toMatchObject({ lastMs: null, noneForMs: 168 * H });
  });
});

describe("exporters and plug-ins", () => {
  const untilMs = AT + DAY.rangeMs;
  const state = (name: string, labels: Record<string, string>, at: (i: number) => Bin): { state: string; since: number | null; before: boolean } | undefined => {
    const [check] = checksOf({ series: [series(1, name, labels)], answers: [answer(1, bins(288, at))], untilMs });
    return check && { state: check.state, since: check.sinceMs === null ? null : (check.sinceMs - AT) / STEP, before: check.isBefore };
  };

  it("have a state, since when, and whether that is only where the day began", () => {
    expect(state("scrape_up", { source: "node" }, () => 1)).toEqual({ state: "ok", since: 0, before: true });
    expect(state("scrape_up", { source: "node" }, (i) => (i < 280 ? 1 : 0))).toEqual({ state: "critical", since: 280, before: false });
    expect(state("scrape_up", { source: "node" }, (i) => (i < 287 ? 1 : [0, 1]))).toEqual({ state: "critical", since: 287, before: false });
    expect(state("plugin_state", { check: "disk" }, (i) => (i < 100 ? 0 : 1))).toEqual({ state: "warning", since: 100, before: false });
    expect(state("plugin_state", { check: "disk" }, (i) => (i < 100 ? null : 3))).toEqual({ state: "unknown", since: 100, before: false });
  });

  it("that say nothing any more are not known", () => {
    expect(state("scrape_up", { source: "node" }, (i) => (i < 200 ? 1 : null))).toEqual({ state: "unknown", since: 200, before: false });
    expect(state("scrape_up", { source: "node" }, () => null)).toEqual({ state: "unknown", since: null, before: true });
  });

  it("stand with the worst first", () => {
    const all = [series(1, "scrape_up", { source: "a" }), series(2, "plugin_state", { check: "z" }), series(3, "plugin_state", { check: "b" }), series(4, "scrape_up", { source: "b" })];
    const answers = [answer(1, bins(288, () => 1)), answer(2, bins(288, () => 2)), answer(3, bins(288, () => 1)), answer(4, bins(288, () => 0))];
    expect(checksOf({ series: all, answers, untilMs }).map((c) => `${c.kind} ${c.name} ${c.state}`)).toEqual(["exporter b critical", "plugin z critical", "plugin b warning", "exporter a ok"]);
  });
});
