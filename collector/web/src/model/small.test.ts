// The small pure pieces: steps, units, commands, tags, zones.

import { describe, expect, it } from "vitest";

import { agentSetupCommand, deviceAddCommand, shellWord } from "./commands";
import { alignRange, stepFor } from "./range";
import { tagRows, tagsOfRows } from "./tags";
import { formatValue } from "./units";
import { zoneChoices, zoneMatches } from "./zones";

describe("steps of a query", () => {
  it.each([[900_000, 600, 10_000, 10_000], [3_600_000, 600, 10_000, 15_000], [604_800_000, 600, 10_000, 3_600_000], [60_000, 600, 30_000, 30_000]])("%i ms on %i px", (range, width, interval, step) => {
    expect(stepFor(range, width, interval)).toBe(step);
  });

  it("stay within what a query may return, for any range and width", () => {
    for (const range of [60_000, 3_600_000, 31_622_400_000]) {
      for (const width of [0, 390, 4000]) {
        expect(range / stepFor(range, width, 1000)).toBeLessThanOrEqual(1000);
      }
    }
  });

  it("stand on multiples of themselves", () => {
    expect(alignRange(1_234, 5_678, 1000)).toEqual({ fromMs: 1000, toMs: 6000 });
  });
});

describe("numbers", () => {
  it.each([
    [null, "pct", "–"], [Number.NaN, "pct", "–"], [0, "pct", "0 %"], [12.345, "pct", "12.3 %"], [0, "bytes", "0 B"], [1536, "bytes", "1.5 KiB"], [17179869184, "bytes", "16 GiB"],
    [0.5, "bytes_per_s", "0.5 B/s"], [2.5e6, "bytes_per_s", "2.38 MiB/s"], [9999, "ms", "9999 ms"], [12_000, "ms", "12 s"], [200, "code", "200"], [61.2, "days", "61.2 d"],
  ] as const)("%s as %s reads %s", (value, unit, text) => expect(formatValue(value, unit)).toBe(text));
});

describe("commands to copy", () => {
  it.each([["till-1", "till-1"], ["Till 1", "'Till 1'"], ["it's", "'it'\\''s'"], ["$(reboot)", "'$(reboot)'"], ["`id`", "'`id`'"], ["上海", "'上海'"], ["a;b", "'a;b'"], ["a\nb", "'a\nb'"], ["", "''"]])("quote %s", (raw, quoted) => {
    expect(shellWord(raw)).toBe(quoted);
  });

  it("do not let a name become an option", () => {
    expect(deviceAddCommand("-x", "till")).toBe("sudo branchline device add -- -x till");
    expect(deviceAddCommand("hz", "Till 1")).toBe("sudo branchline device add hz 'Till 1'");
    expect(agentSetupCommand("FILE")).toBe("sudo branchline-agent setup FILE");
  });
});

describe("tags", () => {
  it("come back from the form as they were, without rows left empty", () => {
    expect(tagsOfRows([...tagRows({ kind: "store", new: "" }), { key: " " }, undefined, { key: "a ", value: " b" }])).toEqual({ kind: "store", new: "", a: "b" });
  });

  it("may be called anything", () => {
    expect(Object.keys(tagsOfRows([{ key: "__proto__", value: "x" }]))).toEqual(["__proto__"]);
  });
});

describe("zones", () => {
  it("are found by city and offset", () => {
    const zones = zoneChoices(Date.parse("2026-11-22T00:00:00Z"));
    const found = (typed: string): string[] => zones.filter((z) => zoneMatches(typed, z.label)).map((z) => z.value);
    expect(found("new york")).toContain("America/New_York");
    expect(found("shanghai +8")).toEqual(["Asia/Shanghai"]);
    expect(found("utc")).toContain("UTC");
    expect(zones.length).toBeGreaterThan(300);
  });
});
