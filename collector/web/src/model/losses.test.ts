import { describe, expect, it } from "vitest";

import { highestMs, lossBars, lossRange, lossReasons } from "./losses";

describe("losses over time", () => {
  const bars = lossBars([
    { from_unix_ms: 0, time_ms: {} },
    { from_unix_ms: 10, time_ms: { evicted: 5, off: 7 } },
    { from_unix_ms: 20, time_ms: { eaten_by_a_grue: 2, off: 1, other: 3 } },
  ]);

  it("are stacked in one order of reasons", () => {
    expect(bars[0]).toEqual({ atMs: 0, totalMs: 0, parts: [] });
    expect(bars[1]).toEqual({ atMs: 10, totalMs: 12, parts: [{ reason: "off", ms: 7, fromMs: 0 }, { reason: "evicted", ms: 5, fromMs: 7 }] });
  });

  it("show reasons of a newer collector as one more reason", () => {
    expect(bars[2]?.parts).toEqual([{ reason: "off", ms: 1, fromMs: 0 }, { reason: "other", ms: 5, fromMs: 1 }]);
  });

  it("name the reasons that occur and the highest bar", () => {
    expect(lossReasons(bars)).toEqual(["off", "evicted", "other"]);
    expect(highestMs(bars)).toBe(12);
    expect(highestMs([])).toBe(0);
  });

  it("end with the day that goes on", () => {
    const day = 86_400_000;
    expect(lossRange(10 * day + 5, 10 * day, 30)).toEqual({ from: -19 * day, to: 11 * day, step: day });
  });
});
