import { describe, expect, it } from "vitest";

import { tickLabels, timeTicks } from "./ticks";
import { wallOf } from "./time";

const H = 3_600_000;

describe("marks of the time axis", () => {
  it("stand on round wall-clock times of the zone, whatever its offset", () => {
    const from = Date.parse("2026-11-22T10:03:00Z");
    for (const zone of ["UTC", "Asia/Kathmandu", "America/St_Johns"]) {
      const ticks = timeTicks(from, from + 6 * H, zone, 600);
      expect(ticks.length).toBeGreaterThan(2);
      for (const t of ticks) {
        const w = wallOf(t, zone);
        expect([w.minute, w.second]).toEqual([0, 0]);
      }
    }
  });

  it("stay in order and on midnights over a change of offset", () => {
    const from = Date.parse("2026-10-20T00:00:00Z");
    const ticks = timeTicks(from, from + 10 * 24 * H, "Europe/Berlin", 900);
    const walls = ticks.map((t) => wallOf(t, "Europe/Berlin").hour);
    expect(new Set(walls)).toEqual(new Set([0]));
    expect([...ticks].sort((a, b) => a - b)).toEqual(ticks);
    expect(new Set(ticks).size).toBe(ticks.length);
  });

  it("name the day at midnight and the time elsewhere", () => {
    const from = Date.parse("2026-11-22T12:00:00Z");
    expect(tickLabels(timeTicks(from, from + 12 * H, "Asia/Shanghai", 500), "Asia/Shanghai")).toEqual(["20:00", "22:00", "11-23", "02:00", "04:00", "06:00", "08:00"]);
  });

  it("do not crowd a narrow chart", () => {
    const from = Date.parse("2026-11-22T12:00:00Z");
    expect(timeTicks(from, from + 24 * H, "UTC", 260).length).toBeLessThanOrEqual(5);
  });

  it("end, also on a range without room", () => {
    expect(timeTicks(0, 366 * 24 * H, "UTC", 10).length).toBeLessThan(400);
    expect(timeTicks(10, 10, "UTC", 500)).toEqual([]);
  });
});
