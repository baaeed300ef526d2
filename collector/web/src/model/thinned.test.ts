import { describe, expect, it } from "vitest";

import { isThinned, thinnedSpans, totalMs } from "./thinned";

const span = (from_unix_ms: number, to_unix_ms: number): { from_unix_ms: number; to_unix_ms: number } => ({ from_unix_ms, to_unix_ms });

describe("what was thinned", () => {
  it("is joined over the lines of a chart, clipped and in order", () => {
    const out = thinnedSpans([[span(50, 60), span(-10, 20)], [span(20, 30), span(55, 200)], []], 0, 100);
    expect(out).toEqual([{ fromMs: 0, toMs: 30 }, { fromMs: 50, toMs: 100 }]);
    expect(totalMs(out)).toBe(80);
  });

  it("is nothing outside of the range, nor where a span is empty", () => {
    expect(thinnedSpans([[span(-5, 0), span(100, 120), span(5, 5)]], 0, 100)).toEqual([]);
  });

  it("is found by time, the end excluded", () => {
    expect(isThinned([{ fromMs: 10, toMs: 20 }], 10)).toBe(true);
    expect(isThinned([{ fromMs: 10, toMs: 20 }], 20)).toBe(false);
  });
});
