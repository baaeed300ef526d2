import { describe, expect, it } from "vitest";

import { breakLine, commonGaps, gapAt, sumByReason, tidyGaps, type Gap } from "./gaps";

const span = (from: number, to: number, reason = "off"): { from_unix_ms: number; to_unix_ms: number; reason: string } => ({ from_unix_ms: from, to_unix_ms: to, reason });
const gap = (fromMs: number, toMs: number, reason: Gap["reason"] = "off"): Gap => ({ fromMs, toMs, reason });

describe("gaps of one line", () => {
  it("are clipped, sorted, and joined where they touch with one reason", () => {
    expect(tidyGaps([span(50, 60), span(-10, 20), span(20, 30), span(30, 40, "clock")], 0, 100, 10)).toEqual([gap(0, 30), gap(30, 40, "clock"), gap(50, 60)]);
  });

  it("call the open end not known yet, and only the end", () => {
    const out = tidyGaps([span(10, 20, "not_arrived"), span(80, 200, "not_arrived")], 0, 100, 10);
    expect(out).toEqual([gap(10, 20, "not_arrived"), gap(80, 100, "pending")]);
    expect(tidyGaps([span(80, 100, "off")], 0, 100, 10)).toEqual([gap(80, 100, "off")]);
  });

  it("show a reason from a newer collector as another reason", () => {
    expect(tidyGaps([span(1, 2, "eaten_by_a_grue")], 0, 100, 1)[0]?.reason).toBe("other");
  });

  it("drop what lies outside or is empty", () => {
    expect(tidyGaps([span(-5, 0), span(100, 120), span(5, 5)], 0, 100, 10)).toEqual([]);
  });

  it("are found by time, the end excluded", () => {
    expect(gapAt([gap(10, 20)], 10)).toEqual(gap(10, 20));
    expect(gapAt([gap(10, 20)], 20)).toBeUndefined();
  });
});

describe("gaps of a whole chart", () => {
  it("are where no line knows anything", () => {
    expect(commonGaps([[gap(0, 50)], [gap(20, 80)]])).toEqual([gap(20, 50)]);
    expect(commonGaps([[gap(0, 50)], []])).toEqual([]);
    expect(commonGaps([])).toEqual([]);
  });

  it("keep reasons apart and join pieces of one", () => {
    expect(commonGaps([[gap(0, 30), gap(30, 60, "clock")], [gap(0, 10), gap(10, 60)]])).toEqual([gap(0, 30), gap(30, 60, "clock")]);
  });

  it("are summed by reason for the legend", () => {
    expect(sumByReason([gap(0, 10), gap(20, 25), gap(30, 31, "clock")])).toEqual([
      { reason: "off", count: 2, totalMs: 15 },
      { reason: "clock", count: 1, totalMs: 1 },
    ]);
  });

  it("say nothing of less than a second that has not arrived", () => {
    expect(sumByReason([gap(0, 900, "not_arrived")])).toEqual([]);
    expect(sumByReason([gap(0, 900, "not_arrived"), gap(5000, 5100, "not_arrived")])).toHaveLength(1);
  });
});

describe("what a line joins and what it breaks", () => {
  const t = [0, 10, 20, 30, 40, 50, 60, 70];

  it("passes over an empty step that only means that steps and samples do not line up", () => {
    expect(breakLine(t, [1, null, 2, 3, null, 4, 5, 6], [], 10, 10)).toEqual([1, undefined, 2, 3, undefined, 4, 5, 6]);
  });

  it("never joins over a gap, however short", () => {
    expect(breakLine(t, [1, null, 2, 3, 4, 4, 5, 6], [gap(12, 14)], 10, 10)[1]).toBeNull();
  });

  it("breaks where more is missing than the interval explains", () => {
    expect(breakLine(t, [1, null, null, null, 2, 3, 4, 5], [], 10, 10).slice(1, 4)).toEqual([null, null, null]);
  });

  it("keeps a slow series together: one sample in every third step is a line", () => {
    expect(breakLine(t, [1, null, null, 2, null, null, 3, null], [], 10, 30)).toEqual([1, undefined, undefined, 2, undefined, undefined, 3, undefined]);
  });
});
