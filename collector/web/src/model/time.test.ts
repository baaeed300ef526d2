import { describe, expect, it } from "vitest";

import { formatAbsolute, formatDateTime, offsetName, spanOf, unixOfWall, validZone, zoneOffsetMs } from "./time";

const at = (text: string): number => Date.parse(text);

describe("times in the site's zone", () => {
  it.each([
    ["Asia/Shanghai", "2026-11-22T10:00:00Z", "2026-11-22 18:00:00", "UTC+8"],
    ["Asia/Kathmandu", "2026-11-22T10:00:00Z", "2026-11-22 15:45:00", "UTC+5:45"],
    ["America/St_Johns", "2026-11-22T02:00:00Z", "2026-11-21 22:30:00", "UTC-3:30"],
    ["UTC", "2026-11-22T00:00:00Z", "2026-11-22 00:00:00", "UTC"],
    ["Pacific/Kiritimati", "2026-12-31T12:00:00Z", "2027-01-01 02:00:00", "UTC+14"],
  ])("%s shows %s as %s", (zone, utc, wall, offset) => {
    expect(formatDateTime(at(utc), zone)).toBe(wall);
    expect(offsetName(at(utc), zone)).toBe(offset);
  });

  it("names the zone in absolute times", () => {
    expect(formatAbsolute(at("2026-11-22T10:00:00Z"), "Asia/Shanghai")).toBe("2026-11-22 18:00:00 Asia/Shanghai (UTC+8)");
    expect(formatAbsolute(at("2026-11-22T10:00:00Z"), "UTC")).toBe("2026-11-22 10:00:00 UTC");
  });

  it("shows a zone it does not know as UTC, and says so", () => {
    expect(validZone("Mars/Olympus")).toBe("UTC");
    expect(formatAbsolute(at("2026-11-22T10:00:00Z"), "Mars/Olympus")).toBe("2026-11-22 10:00:00 UTC");
  });

  it.each([
    ["Asia/Shanghai", "2026-11-22T10:00:00Z"],
    ["Europe/Berlin", "2026-03-29T00:59:59Z"],
    ["Europe/Berlin", "2026-03-29T01:00:00Z"],
    ["Europe/Berlin", "2026-10-25T02:00:00Z"],
    ["America/New_York", "2026-07-01T04:00:00Z"],
    ["Australia/Lord_Howe", "2026-01-01T00:00:00Z"],
  ])("goes to the wall clock of %s and back at %s", (zone, utc) => {
    const unix = at(utc);
    expect(unixOfWall(unix + zoneOffsetMs(unix, zone), zone)).toBe(unix);
  });

  it("takes the first of two equal wall times, and steps over a skipped one", () => {
    // 02:30 occurs twice in Berlin on 25 October 2026, and not at all on 29 March.
    expect(unixOfWall(Date.UTC(2026, 9, 25, 2, 30), "Europe/Berlin")).toBe(at("2026-10-25T00:30:00Z"));
    expect(unixOfWall(Date.UTC(2026, 2, 29, 2, 30), "Europe/Berlin")).toBe(at("2026-03-29T01:30:00Z"));
  });

  it.each([
    [-5, "second", 0], [59_999, "second", 59], [60_000, "minute", 1], [3_599_000, "minute", 59], [3_600_000, "hour", 1], [86_399_000, "hour", 23], [86_400_000, "day", 1],
  ] as const)("%i ms is %s %i", (ms, unit, count) => {
    expect(spanOf(ms)).toEqual({ unit, count });
  });
});
