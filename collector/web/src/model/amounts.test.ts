import { describe, expect, it } from "vitest";

import { amountTicks, formatAmount, formatMs, formatShare, niceTicks } from "./amounts";

describe("amounts", () => {
  it.each([
    [null, "ms", "–"], [Number.NaN, "x", "–"], [850, "ms", "850 ms"], [12_500, "ms", "12.5 s"], [270_000, "ms", "4 min 30 s"], [3_900_000, "ms", "1 h 5 min"], [1_800, "s", "30 min"],
    [2.5, "%", "2.5 %"], [3, "", "3"], [0.5, "1", "0.5"], [17, "单", "17 单"], [2048, "bytes", "2 KiB"], [1, "<b>", "1 <b>"],
  ] as const)("%s %s reads %s", (value, unit, text) => expect(formatAmount(value, unit)).toBe(text));

  it.each([[0, "0 ms"], [999, "999 ms"], [1_250, "1.25 s"], [9_999, "10 s"], [59_999, "60 s"], [86_400_000 * 2 + 3 * 3_600_000, "2 d 3 h"], [-270_000, "-4 min 30 s"], [3_599_900, "60 min"]] as const)("%s ms reads %s", (ms, text) => expect(formatMs(ms)).toBe(text));

  it.each([[1, "100 %"], [0.999, "99 %"], [0.5, "50 %"], [0.001, "1 %"], [0, "0 %"]] as const)("%s complete reads %s", (share, text) => expect(formatShare(share)).toBe(text));
});

describe("marks of an axis", () => {
  it("are round", () => {
    expect(niceTicks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(niceTicks(0, 0.7, 4)).toEqual([0, 0.2, 0.4, 0.6]);
    expect(niceTicks(5, 5, 4)).toEqual([5]);
  });
  it("are round times for durations", () => {
    expect(amountTicks(0, 1_500_000, 4, "ms")).toEqual([0, 600_000, 1_200_000]);
    expect(amountTicks(0, 150, 4, "s")).toEqual([0, 60, 120]);
  });
});
