import { describe, expect, it } from "vitest";

import type { DeviceReport } from "../api/devices";
import type { LinkSpan } from "../api/link";
import { backlogOf, bandParts, clockOf, isBacklog, outsideMs, readLinkRange, shareText, spanAt, statesOf, stretches } from "./link";

const M = 60_000;
const H = 60 * M;

function span(from: number, to: number, state: LinkSpan["state"], reason: string | null = null): LinkSpan {
  return { from_unix_ms: from, to_unix_ms: to, state, reason, arrived_unix_ms: null, lasted_ms: to - from };
}

const NOTHING = { batches: 0, bytes: 0, samples: 0, oldest_age_ms: null };
const REPORT: DeviceReport = { at_unix_ms: 100 * H, backlog: { events: NOTHING, probes: NOTHING, host: NOTHING }, clock: null, link: null, budget: null, sampling: null };
const LINK = { transport: "tcp", via_proxy: false, local_address: null, max_packet_bytes: null, connections: 1, rtt_ms: null, rate_bytes_per_s: 1000 } as const;
const CLOCK = { source: "ntp", wall_minus_map_ms: 0, uncertainty_ms: 10, wall_usable: true, floor_lifted: false, drift_ppb: 0, steps: 0 } as const;

describe("the band", () => {
  it("cuts at both ends and keeps the proportions", () => {
    const parts = bandParts([span(0, 100, "online"), span(100, 300, "gap"), span(300, 900, "online")], 50, 450);
    expect(parts.map((p) => [p.leftPct, p.widthPct])).toEqual([[0, 12.5], [12.5, 50], [62.5, 37.5]]);
  });

  it("finds the span at a moment", () => {
    const spans = [span(0, 100, "online"), span(100, 300, "gap"), span(300, 900, "online")];
    expect([-5, 0, 99, 100, 299, 899, 2000].map((ms) => spanAt(spans, ms))).toEqual([0, 0, 0, 1, 1, 2, 2]);
  });

  it.each([[0, 100, "0 %"], [1, 100_000, "< 0.1 %"], [5, 1000, "0.5 %"], [333, 1000, "33 %"], [963, 1000, "96.3 %"], [99_999, 100_000, "> 99.9 %"], [100, 100, "100 %"], [1, 0, "0 %"]])(
    "%d of %d is %s", (part, whole, text) => expect(shareText(part, whole)).toBe(text));

  it("lists what was not simply online, newest first, without what nobody expected", () => {
    const spans = [span(0, 1, "unknown", "not_in_service"), span(1, 2, "online"), span(2, 3, "gap", "off"), span(3, 4, "online"), span(4, 5, "unknown", "offline")];
    expect(stretches(spans).map((s) => s.from_unix_ms)).toEqual([4, 2]);
  });

  it("tells time that nobody expected anything of from time that is unknown", () => {
    expect(outsideMs([span(0, 7, "unknown", "not_in_service"), span(7, 9, "unknown", "offline"), span(9, 10, "unknown", "not_in_service")])).toBe(8);
  });

  it("names only the states that occur", () => {
    expect(statesOf({ online: 5, filled_in: 0, thinned: 0, waiting: 2, unknown: 0, gap: 1 }).map((s) => s.state)).toEqual(["online", "waiting", "gap"]);
  });

  it.each([["range=7d", "7d"], ["range=1y", "24h"], ["", "24h"], ["range=constructor", "24h"]] as const)("reads %s as %s", (query, range) =>
    expect(readLinkRange(new URLSearchParams(query))).toBe(range));
});

it("passes over what is shorter than a second and only not known", () => {
  expect(stretches([span(0, 999, "unknown", "not_arrived"), span(0, 1000, "unknown", "not_arrived"), span(0, 400, "gap")]).map((s) => [s.state, s.to_unix_ms])).toEqual([["gap", 400], ["unknown", 1000]]);
  expect(statesOf({ online: 5000, filled_in: 0, thinned: 0, waiting: 0, unknown: 400, gap: 1 }).map((s) => s.state)).toEqual(["online", "gap"]);
});

describe("what waits", () => {
  it("is unsaid without a report, or when the report does not speak of it", () => {
    expect(backlogOf(null)).toBeNull();
    expect(backlogOf({ ...REPORT, backlog: { events: null, probes: null, host: null } })).toBeNull();
  });

  it("adds up, and takes as long as the measured rate says", () => {
    const backlog = backlogOf({ ...REPORT, link: LINK, backlog: { events: NOTHING, probes: { batches: 2, bytes: 20_000, samples: 5, oldest_age_ms: 2 * H }, host: { batches: 8, bytes: 40_000, samples: 9, oldest_age_ms: 5 * H } } });
    expect(backlog).toMatchObject({ batches: 10, bytes: 60_000, drainMs: 60_000, oldestMs: 95 * H, held: [] });
  });

  it("does not count what is held back into the time it takes", () => {
    const backlog = backlogOf({
      ...REPORT, link: LINK, budget: { bytes_per_hour: 1, used_bytes: 1, held: ["host"], opens_unix_ms: 107 * H },
      backlog: { events: NOTHING, probes: { batches: 2, bytes: 20_000, samples: 5, oldest_age_ms: 2 * H }, host: { batches: 8, bytes: 40_000, samples: 9, oldest_age_ms: 5 * H } },
    });
    expect(backlog).toMatchObject({ drainMs: 20_000, held: ["host"], opensMs: 107 * H });
  });

  it("is no older than the epoch, whatever the device says", () => {
    const waits = { batches: 8, bytes: 40_000, samples: 9, oldest_age_ms: 2 ** 63 };
    expect(backlogOf({ ...REPORT, backlog: { events: waits, probes: null, host: null } })).toMatchObject({ oldestMs: 0, byStream: [{ oldestMs: 0 }] });
  });

  it("knows no time without a rate", () => {
    const waits = { batches: 8, bytes: 40_000, samples: 9, oldest_age_ms: 5 * H };
    expect(backlogOf({ ...REPORT, backlog: { events: waits, probes: null, host: null } })?.drainMs).toBeNull();
    expect(backlogOf({ ...REPORT, link: { ...LINK, rate_bytes_per_s: 0 }, backlog: { events: waits, probes: null, host: null } })?.drainMs).toBeNull();
  });

  it.each([[0, null, false], [2, 90_000, false], [2, 4 * M, true], [1, null, true]])("%d batches, the oldest %s ms old: backlog %s", (batches, age, expected) => {
    const backlog = backlogOf({ ...REPORT, backlog: { events: { batches, bytes: 10, samples: 0, oldest_age_ms: age }, probes: null, host: null } });
    expect(backlog !== null && isBacklog(backlog)).toBe(expected);
  });
});

describe("the clock", () => {
  it("is what the device says, else what the centre has of it", () => {
    expect(clockOf({ clock: "trusted", report: null }).kind).toBe("trusted");
    expect(clockOf({ clock: "unknown", report: REPORT }).kind).toBe("unknown");
    expect(clockOf({ clock: null, report: null }).kind).toBe("never");
    expect(clockOf({ clock: "unknown", report: { ...REPORT, clock: CLOCK } }).kind).toBe("ntp");
  });

  it("tells nothing of a clock that is not known, but that", () => {
    const clock = clockOf({ clock: "unknown", report: { ...REPORT, clock: { ...CLOCK, source: "untrusted", wall_minus_map_ms: 9e9, drift_ppb: 5e6 } } });
    expect(clock).toMatchObject({ kind: "unknown", uncertaintyMs: null, offMs: null, driftMsPerDay: null });
  });

  it("mentions an offset beyond the uncertainty, and a drift of a tenth of a second a day", () => {
    const off = (wall_minus_map_ms: number, drift_ppb: number): (number | null)[] => {
      const c = clockOf({ clock: "trusted", report: { ...REPORT, clock: { ...CLOCK, wall_minus_map_ms, drift_ppb } } });
      return [c.offMs, c.driftMsPerDay === null ? null : Math.round(c.driftMsPerDay)];
    };
    expect(off(1000, 1000)).toEqual([null, null]);
    expect(off(-1011, -12_000)).toEqual([-1011, -1037]);
  });
});
