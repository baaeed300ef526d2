import { describe, expect, it } from "vitest";

import type { Run } from "../api/rules";
import { readRunRange, runSegments, shareOf } from "./runs";

const run = (begin: number, end: number, outcome: Run["outcome"]): Run => ({ begin_unix_ms: begin, end_unix_ms: end, outcome, windows: 1, completeness: 1, value_min: 1, value_max: 2, version: 1 });

describe("runs as a strip", () => {
  it.each([
    ["in order, whatever order they come in", [run(5, 10, "true"), run(0, 5, "false")], [[0, 5, "false"], [5, 10, "true"]]],
    ["what lies between is not evaluated", [run(0, 2, "true"), run(6, 10, "true")], [[0, 2, "true"], [2, 6, null], [6, 10, "true"]]],
    ["cut to the range", [run(-5, 3, "unknown"), run(8, 99, "false")], [[0, 3, "unknown"], [3, 8, null], [8, 10, "false"]]],
    ["no runs at all", [], [[0, 10, null]]],
    ["outside of it", [run(-9, 0, "true"), run(10, 12, "true")], [[0, 10, null]]],
  ] as const)("%s", (_, runs, expected) => {
    expect(runSegments([...runs], 0, 10).map((s) => [s.fromMs, s.toMs, s.outcome])).toEqual(expected);
  });

  it("counts what was not evaluated as not known", () => {
    const segments = runSegments([run(0, 4, "true"), run(4, 5, "unknown")], 0, 10);
    expect([shareOf(segments, "true"), shareOf(segments, "unknown")]).toEqual([0.4, 0.6]);
    expect(shareOf([], "true")).toBe(0);
  });
});

it.each([["", "3h"], ["last=24h", "24h"], ["last=toString", "3h"]])("“%s” shows %s", (text, range) => expect(readRunRange(new URLSearchParams(text))).toBe(range));
