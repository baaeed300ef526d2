import { describe, expect, it } from "vitest";

import type { Metric, MetricAnswer, MetricCatalogue, MetricGroup, MetricLabels } from "../api/metrics";
import { aggsOf, byLatest, chooseMetric, cutLabels, defaultAgg, labelFilter, levelsOf, plotOf, readQuestion, shareCovered, unitOf, wordsOf, writeQuestion } from "./explore";

const metric = (name: string, ...kinds: Metric["kinds"]): Metric => ({ name, unit: "pct", kinds, series: 2, devices: 2, interval_ms: 10_000 });
const CPU = metric("cpu_used_pct", "gauge");
const NET = metric("net_sent_bytes_total", "counter");
const BOTH = metric("odd", "gauge", "counter");
const params = (text: string): URLSearchParams => new URLSearchParams(text);

describe("what a metric can be asked", () => {
  it.each([
    [CPU, ["avg", "min", "max", "sum", "total", "count", "p50", "p75", "p90", "p95", "p99"], "avg"],
    [NET, ["min", "max", "count", "increase", "rate"], "rate"],
    [BOTH, ["avg", "min", "max", "sum", "total", "count", "increase", "rate", "p50", "p75", "p90", "p95", "p99"], "avg"],
  ] as const)("%o", (of, aggs, usual) => {
    expect(aggsOf(of)).toEqual(aggs);
    expect(defaultAgg(of)).toBe(usual);
  });
});

describe("what a metric is, in words", () => {
  const catalogue: MetricCatalogue = {
    units: [{ name: "pct", text: { en: "%", zh: "%" } }, { name: "s", text: { en: "s", zh: "秒" } }, { name: "1", text: { en: "", zh: "" } }],
    items: [{ name: "uptime_s", area: "system", kind: "gauge", unit: "s", description: { en: "Time since the start", zh: "启动以来的时间" } }],
  };
  it.each([
    [catalogue, "uptime_s", "s", "en", "Time since the start", "s"],
    [catalogue, "uptime_s", "s", "zh-CN", "启动以来的时间", "秒"],
    [catalogue, "line_pressure", "bar", "en", null, "bar"],
    [catalogue, "line_parts", "1", "en", null, null],
    [undefined, "uptime_s", "s", "en", null, "s"],
    [undefined, "load1", "1", "en", null, null],
  ] as const)("%# %s", (of, name, unit, language, description, text) => {
    expect(wordsOf(of, name, unit, language)).toEqual({ description, unit: text });
  });
});

describe("what lists of labels leave out", () => {
  const items = [{ key: "disk", values: ["sda"], more: false }, { key: "unit", values: ["a", "b"], more: true }];
  it.each([
    [undefined, [], null],
    [{ metric: "m", items: items.slice(0, 1), more: false }, [], null],
    [{ metric: "m", items, more: false }, [{ key: "unit", n: 2 }], null],
    [{ metric: "m", items: items.slice(0, 1), more: true }, [], 1],
  ] as const)("%#", (of, values, labels) => {
    expect(cutLabels(of as MetricLabels | undefined)).toEqual({ values, labels });
  });
});

describe("the question in the URL", () => {
  it.each([
    ["", null],
    ["metric=", null],
    ["metric=cpu_used_pct", { agg: "avg", group: "all", groupLabel: null, site: null }],
    ["metric=net_sent_bytes_total", { agg: "rate" }],
    ["metric=net_sent_bytes_total&agg=p95", { agg: "rate" }],
    ["metric=cpu_used_pct&agg=p95&group=site&region=Asia", { agg: "p95", group: "site", region: "Asia" }],
    ["metric=cpu_used_pct&agg=%3Cb%3E&group=x", { agg: "avg", group: "all" }],
    ["metric=unheard_of", { metric: "unheard_of", agg: "avg" }],
  ] as const)("%s", (text, want) => {
    const got = readQuestion(params(text), [CPU, NET]);
    if (want === null) {
      expect(got).toBeNull();
    } else {
      expect(got).toMatchObject(want);
    }
  });

  it("keeps the range when the question changes", () => {
    const out = writeQuestion({ agg: "p99", site: null, labels: "mode=user" }, params("metric=a&site=x&last=24h"));
    expect(Object.fromEntries(out)).toEqual({ metric: "a", last: "24h", agg: "p99", labels: "mode=user" });
  });

  it("drops what another metric does not have", () => {
    const out = chooseMetric("b", params("metric=a&agg=rate&group=label&group_label=mode&labels=mode%3Duser&site=x&last=24h"));
    expect(Object.fromEntries(out)).toEqual({ metric: "b", site: "x", last: "24h" });
  });

  it.each([["mode", "user", "mode=user"], ["disk", "sd,a", "disk=sd\\,a"], ["k=", "a\\b", "k\\==a\\\\b"]])("filters by %s = %s", (key, value, want) => expect(labelFilter(key, value)).toBe(want));
});

it.each([
  ["pct", "avg", "pct"], ["bytes", "max", "bytes"], ["bytes/s", "rate", "bytes_per_s"], ["bytes", "rate", "bytes_per_s"], ["", "rate", "per_s"], ["bytes", "count", "count"], ["ms", "p95", "ms"],
  ["furlongs", "avg", "count"], ["constructor", "avg", "count"],
] as const)("writes %s, %s as %s", (unit, agg, want) => expect(unitOf(unit, agg)).toBe(want));

const group = (key: string, value: (number | null)[], more: Partial<MetricGroup> = {}): MetricGroup => ({
  key, name: null, series: 2, value, n: value.map((v) => (v === null ? 0 : 12)), covered: value.map((v) => (v === null ? 0 : 2)), unknown: value.map(() => 0), gaps: [], ...more,
});
const answer = (groups: MetricGroup[]): MetricAnswer => ({
  metric: "cpu_used_pct", unit: "pct", agg: "avg", from_unix_ms: 0, to_unix_ms: 180_000, step_ms: 60_000,
  resolution: [{ from_unix_ms: 0, to_unix_ms: 60_000, level: "5m" }, { from_unix_ms: 60_000, to_unix_ms: 180_000, level: "raw" }],
  relative_error: null, series: 4, left_out: 0, samples: 48, unknown: 0, t: [0, 60_000, 120_000], groups,
});

describe("the answer", () => {
  const gap = { from_unix_ms: 60_000, to_unix_ms: 120_000, reason: "no_data" };
  const a = group("a", [1, null, 3], { gaps: [gap] });
  const b = group("b", [9, null, 2], { gaps: [gap, { from_unix_ms: 120_000, to_unix_ms: 180_000, reason: "future" }] });

  it("puts the highest latest value first, and those without any last", () => {
    expect(byLatest([group("none", [null, null, null]), b, a]).map((g) => g.key)).toEqual(["a", "b", "none"]);
  });

  it("is drawn with its holes, named where all lines have one", () => {
    const data = plotOf(answer([a, b]), [a, b]);
    expect(data.lines.map((l) => [l.lowest, l.highest, l.latest])).toEqual([[1, 3, 3], [2, 9, 2]]);
    expect(data.gaps).toEqual([{ fromMs: 60_000, toMs: 120_000, reason: "no_values" }]);
    expect(data.isEmpty).toBe(false);
    expect(plotOf(answer([]), [group("none", [null, null, null])]).isEmpty).toBe(true);
  });

  it("tells what was not installed yet from what did not arrive", () => {
    const early = group("early", [null, 1], { gaps: [{ from_unix_ms: 0, to_unix_ms: 60_000, reason: "not_yet_installed" }] });
    expect(plotOf(answer([early]), [early]).gaps).toEqual([{ fromMs: 0, toMs: 60_000, reason: "not_yet_installed" }]);
  });

  it("says what was read", () => expect(levelsOf(answer([a]))).toEqual(["raw", "5m"]));

  it.each([
    [a, 2 / 3],
    [group("all", [1, 2, 3]), 1],
    [group("none", [null, null, null]), 0],
    [group("empty", []), null],
    [group("future", [null, null, null], { gaps: [{ from_unix_ms: 0, to_unix_ms: 180_000, reason: "future" }] }), null],
  ])("knows how much is there: %o", (of, want) => expect(shareCovered(of)).toBe(want));
});
