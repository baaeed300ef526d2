import { describe, expect, it } from "vitest";

import { doubtAt, doubtLength, worstDoubt } from "./doubt";

describe("how sure a time is", () => {
  it.each([
    [null, null],
    [999, null],
    [1_000, "1 second"],
    [1_001, "2 second"],
    [61_000, "61 second"],
    [119_999, "120 second"],
    [120_000, "2 minute"],
    [120_001, "3 minute"],
    [7_199_999, "120 minute"],
    [7_200_000, "2 hour"],
    [172_800_000, "2 day"],
    [4_294_967_294, "50 day"],
  ])("rounds %s ms up to %s", (ms, expected) => {
    const length = doubtLength(ms);
    expect(length === null ? null : `${length.count} ${length.unit}`).toBe(expected);
  });

  it("finds the largest at a moment", () => {
    const doubts = [
      { from_unix_ms: 0, to_unix_ms: 100, uncertainty_ms: 2_000 },
      { from_unix_ms: 50, to_unix_ms: 60, uncertainty_ms: 9_000 },
    ];
    expect([0, 50, 59, 60, 100].map((at) => doubtAt(doubts, at))).toEqual([2_000, 9_000, 9_000, 2_000, null]);
    expect(worstDoubt(doubts)).toBe(9_000);
    expect(worstDoubt([])).toBeNull();
  });
});
