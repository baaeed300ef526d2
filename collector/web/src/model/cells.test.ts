import { describe, expect, it } from "vitest";

import type { Cell } from "../api/kpis";
import { blanks, lookOf, meetsTarget, steps, valueScale, windowsFrom } from "./cells";

const M = 60_000;
const cell = (n: number, over: Partial<Cell> = {}): Cell => ({
  site: "a", begin_unix_ms: n * M, end_unix_ms: (n + 1) * M, version: 1, value: 1, n: 6, completeness: 1, ready: true, state: "final", revisions: 0, known_unix_ms: 0, clock_doubt_ms: null, thinned: false, ...over,
});

describe("how sure a value is", () => {
  it.each([
    [{ state: "final", ready: true }, "final"], [{ state: "final_incomplete", ready: false }, "final"], [{ state: "provisional", ready: true }, "ready"], [{ state: "provisional", ready: false }, "provisional"],
  ] as const)("%j looks %s", (over, look) => expect(lookOf(cell(0, over))).toBe(look));
});

describe("what has no value", () => {
  const kinds = (cells: Cell[], to: number): [number, number, string][] => blanks(cells, 0, to * M).map((b) => [b.fromMs / M, b.toMs / M, b.kind]);

  it.each([
    ["nothing at all was worked out", [], 5, [[0, 5, "before"]]],
    ["the end has not come yet", [cell(0), cell(1)], 4, [[2, 4, "pending"]]],
    ["it begins later", [cell(2)], 3, [[0, 2, "before"]]],
    ["a window is missing in between", [cell(0), cell(2)], 3, [[1, 2, "unknown"]]],
    ["missing data is unknown, not nothing", [cell(0, { value: null, completeness: 0.3 })], 1, [[0, 1, "unknown"]]],
    ["all data and no value: nothing happened", [cell(0, { value: null, completeness: 1, n: 0 })], 1, [[0, 1, "quiet"]]],
    ["all data, thinned to more than a window: things may have happened", [cell(0, { value: null, n: 0, thinned: true })], 1, [[0, 1, "means"]]],
    ["thinned, and some of it missing", [cell(0, { value: null, completeness: 0.5, thinned: true })], 1, [[0, 1, "unknown"]]],
    ["neighbours of one kind are one", [cell(0, { value: null, completeness: 0 }), cell(1, { value: null, completeness: 0.5 }), cell(2)], 3, [[0, 2, "unknown"]]],
    ["everything is known", [cell(0), cell(1)], 2, []],
  ] as const)("%s", (_, cells, to, expected) => expect(kinds([...cells], to)).toEqual(expected));

  it("keeps to the range", () => {
    expect(blanks([cell(-5), cell(0)], 0, M)).toEqual([]);
  });
});

describe("the line", () => {
  it("joins windows that touch and breaks where a value is missing", () => {
    const list = steps([cell(0), cell(1, { value: 3 }), cell(2, { value: null, completeness: 0 }), cell(3, { value: 4 }), cell(5, { value: 5 })]);
    expect(list.map((s) => [s.fromMs / M, s.value, s.joins])).toEqual([[0, 1, null], [1, 3, 1], [3, 4, null], [5, 5, null]]);
  });

  it("begins at zero and shows the threshold", () => {
    expect(valueScale([cell(0, { value: 3 })], [10], "x")).toEqual({ low: 0, high: 11.200000000000001 });
    expect(valueScale([cell(0, { value: -2 })], [null], "x").low).toBe(-2);
    expect(valueScale([], [], "x")).toEqual({ low: 0, high: 1 });
    expect(valueScale([cell(0, { value: 99 })], [], "%").high).toBe(105);
  });
});

describe("targets", () => {
  it.each([
    [1, 2, "low", true], [3, 2, "low", false], [3, 2, "high", true], [null, 2, "low", null], [1, null, "low", null], [1, 2, null, null],
  ] as const)("%s against %s, %s is good: %s", (value, target, good, met) => expect(meetsTarget(value, target, good)).toBe(met));
});

it.each([["1m", ["1m", "5m", "1h", "1d"]], ["5m", ["5m", "1h", "1d"]], ["1h", ["1h", "1d"]], ["1d", ["1d"]]] as const)("a KPI of %s has %j", (resolution, windows) => {
  expect(windowsFrom(resolution)).toEqual(windows);
});
