// @vitest-environment jsdom
// The parts of a device's page, as somebody reads and operates them.

import { fireEvent, render, screen } from "@testing-library/react";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";

import type { Device, DeviceReport } from "../../api/devices";
import { serverNowMs } from "../../api/http";
import type { LinkSpan } from "../../api/link";
import { LinkBand } from "../../chart/link_band";
import { startI18n, switchLanguage } from "../../i18n";
import "../../i18n/work";
import i18next from "i18next";
import { BacklogPanel } from "./backlog";
import { ClockPanel, uncertaintyText } from "./clock";
import { LinkFacts } from "./link_facts";
import { SamplingPanel } from "./sampling";
import { lengthText, spanWords } from "./words";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));

const AT = Date.UTC(2026, 10, 28, 4, 0);
const H = 3_600_000;

const NOTHING = { batches: 0, bytes: 0, samples: 0, oldest_age_ms: null };
const REPORT: DeviceReport = {
  at_unix_ms: AT,
  backlog: { events: NOTHING, probes: NOTHING, host: NOTHING },
  clock: { source: "ntp", wall_minus_map_ms: 0, uncertainty_ms: 12, wall_usable: true, floor_lifted: false, drift_ppb: 0, steps: 0 },
  link: { transport: "websocket", via_proxy: true, local_address: "10.0.0.9", max_packet_bytes: 20_480, connections: 3, rtt_ms: 300, rate_bytes_per_s: 1000 },
  budget: null,
  sampling: null,
};
const WAITS = { batches: 40, bytes: 60_000, samples: 0, oldest_age_ms: 26 * H };

function device(over: Partial<Device> = {}): Device {
  return {
    id: "till", name: "Till", site: "a", part: 1, retired: false, since_unix_ms: 0, created_unix_ms: 0, version: 1, certificate: null, state: "up", state_since_unix_ms: AT,
    presence: "online", last_seen_unix_ms: AT, data_until_unix_ms: AT, software: null, spool: null, clock: "trusted", gaps: 0, set_aside: 0, waiting_batches: 0, conflict: false,
    report: REPORT, ...over,
  };
}

function span(from: number, to: number, state: LinkSpan["state"], over: Partial<LinkSpan> = {}): LinkSpan {
  return { from_unix_ms: AT + from * H, to_unix_ms: AT + to * H, state, reason: null, arrived_unix_ms: null, lasted_ms: (to - from) * H, ...over };
}

describe("a stretch in words", () => {
  const words = (s: LinkSpan): string => spanWords(s, AT - H, "Asia/Shanghai", i18next.t);

  it("says what, when in the site's zone, how long, and since when it is here", () => {
    expect(words(span(0, 2, "filled_in", { arrived_unix_ms: AT + 3 * H }))).toBe("Offline, filled in later · 2026-11-28 12:00:00 – 14:00:00 · 2 h · here since 2026-11-28 15:00:00");
  });

  it("names a gap's reason, and one that it does not know as another one", () => {
    expect(words(span(0, 2, "gap", { reason: "off" }))).toContain("Missing: agent was off");
    expect(words(span(0, 2, "gap", { reason: "eaten" }))).toContain("Missing: another reason");
  });

  it("says of one that is away that nothing is known", async () => {
    await switchLanguage("zh-CN");
    expect(words(span(0, 2, "unknown", { reason: "offline" }))).toContain("离线，情况未知");
  });

  it("says how much of a joined stretch it was, and that one may have begun before", () => {
    expect(lengthText(span(0, 48, "filled_in", { lasted_ms: 3 * H }), AT - H, i18next.t)).toBe("3 h of 2 days");
    expect(lengthText(span(0, 2, "gap"), AT, i18next.t)).toBe("≥ 2 h");
  });
});

describe("the band", () => {
  it("is walked with the arrow keys, and says each span in words", () => {
    const seen: (number | null)[] = [];
    const spans = [span(0, 1, "online"), span(1, 2, "gap", { reason: "off" }), span(2, 3, "online")];
    const { rerender } = render(<LinkBand spans={spans} fromMs={AT} toMs={AT + 3 * H} label="all" wordsOf={(s) => s.state} at={1} onAt={(at) => seen.push(at)} />);
    const band = screen.getByRole("slider", { name: "all" });
    expect(band.getAttribute("aria-valuetext")).toBe("gap");
    for (const key of ["ArrowLeft", "ArrowRight", "Home", "End", "a"]) {
      fireEvent.keyDown(band, { key });
    }
    expect(seen).toEqual([0, 2, 0, 2]);
    rerender(<LinkBand spans={spans} fromMs={AT} toMs={AT + 3 * H} label="all" wordsOf={(s) => s.state} at={2} onAt={(at) => seen.push(at)} />);
    fireEvent.keyDown(band, { key: "ArrowRight" });
    expect(seen.pop()).toBe(2);
  });

  it("without a span has nothing to walk", () => {
    render(<LinkBand spans={[]} fromMs={AT} toMs={AT + H} label="none" wordsOf={(s) => s.state} at={null} onAt={() => undefined} />);
    expect(screen.getByRole("slider", { name: "none" }).getAttribute("aria-valuetext")).toBe("");
  });
});

describe("what is still to come", () => {
  const show = (over: Partial<Device>): string => render(<BacklogPanel device={device(over)} zone="Asia/Shanghai" />).container.textContent;

  it("nothing waits", () => expect(show({})).toContain("Nothing waits: everything collected is here."));

  it("how much, from when, and how long it takes", () => {
    const text = show({ report: { ...REPORT, backlog: { ...REPORT.backlog, host: WAITS } } });
    expect(text).toContain("40 batches wait, 58.6 KiB");
    expect(text).toContain("The oldest of it is from 2026-11-27 10:00:00.");
    expect(text).toContain("At the measured rate it is here in about 1 min.");
  });

  it("until when it is held back, and by what", () => {
    const budget = { bytes_per_hour: 2 ** 21, used_bytes: 5, held: ["host"] as const, opens_unix_ms: Date.UTC(2126, 10, 28, 14, 0) };
    const text = show({ report: { ...REPORT, budget: { ...budget, held: [...budget.held] }, backlog: { ...REPORT.backlog, host: WAITS } } });
    expect(text).toContain("Held back by the limits of the metered link until 2126-11-28 22:00:00: machine.");
    expect(text).not.toContain("measured rate");
  });

  it("does not hold back until a time that has passed", () => {
    const then = serverNowMs() - 10 * 60_000;
    const budget = { bytes_per_hour: 2 ** 21, used_bytes: 5, held: ["host" as const], opens_unix_ms: then };
    const text = show({ report: { ...REPORT, at_unix_ms: then - H, budget, backlog: { ...REPORT.backlog, host: WAITS } } });
    expect(text).toContain("Was held back by the limits of the metered link");
    expect(text).not.toContain("Held back");
    expect(screen.queryByText("held back")).toBeNull();
  });

  it("promises nothing of a device that is away, or that has not said", () => {
    const text = show({ presence: "offline", state: "unknown", report: { ...REPORT, backlog: { ...REPORT.backlog, host: WAITS } } });
    expect(text).toContain("it comes when it is back");
    expect(text).not.toContain("measured rate");
    expect(show({ presence: "offline", state: "unknown" })).toContain("Nothing waited when the device was last heard.");
    expect(show({ report: null })).toContain("The device has not said yet what it holds.");
    expect(show({ report: null, state: "never" })).toContain("The device has never connected.");
  });
});

describe("the clock", () => {
  const show = (over: Partial<Device>): string => render(<ClockPanel device={device(over)} />).container.textContent;
  const clock = REPORT.clock ?? undefined;

  it("says in words where its time comes from and how sure it is", () => {
    expect(show({})).toContain("Trusted: set by NTP ± 12 ms");
    expect(show({ report: clock === undefined ? null : { ...REPORT, clock: { ...clock, source: "centre", uncertainty_ms: 1500 } } })).toContain("Trusted: taken from the centre ± 1.5 s");
    expect(show({ report: null })).toContain("Trusted");
    expect(show({ report: null, clock: null, state: "never" })).toContain("Nothing has been heard from it yet.");
  });

  it("not known yet: values are kept, and nothing more is claimed", () => {
    const text = show({ report: clock === undefined ? null : { ...REPORT, clock: { ...clock, source: "untrusted", wall_minus_map_ms: 9e9 } } });
    expect(text).toContain("Values are kept, and put in their place as soon as the time is known.");
    expect(text).not.toContain("ahead");
  });

  it.each([[12, "± 12 ms"], [1500, "± 1.5 s"], [90_000, "± 1 min 30 s"]])("%d ms is %s", (ms, text) => expect(uncertaintyText(ms, i18next.t)).toBe(text));
});

describe("the link", () => {
  it("says the way it takes, or that it has not been said", () => {
    const text = render(<LinkFacts device={device()} zone="UTC" />).container.textContent;
    for (const part of ["Connected", "MQTT over WebSocket (TLS)", "through a proxy", "10.0.0.9", "300 ms", "1000 B/s", "20 KiB"]) {
      expect(text).toContain(part);
    }
    expect(render(<LinkFacts device={device({ report: null })} zone="UTC" />).container.textContent).toContain("The device has not said yet how it is connected.");
    expect(render(<LinkFacts device={device({ report: null, presence: null, state: "never" })} zone="UTC" />).container.textContent).toContain("This device has never connected.");
  });
});

describe("what is not sampled", () => {
  const ALL = { safe_mode: false, whole_unix_ms: null, series_refused: 0, samples_refused: 0, probe_results_dropped: 0 };
  const show = (sampling: DeviceReport["sampling"]): string => render(<SamplingPanel device={device({ report: { ...REPORT, sampling } })} zone="Asia/Shanghai" />).container.textContent;

  it("has no place where all is sampled, or the agent does not say", () => {
    expect(show(null)).toBe("");
    expect(show(ALL)).toBe("");
    expect(render(<SamplingPanel device={device({ report: null })} zone="UTC" />).container.textContent).toBe("");
  });

  it("says that an agent is in safe mode, and until when", () => {
    const text = show({ ...ALL, safe_mode: true, whole_unix_ms: Date.UTC(2126, 10, 28, 14, 0) });
    expect(text).toContain("Safe mode: the agent ended again and again");
    expect(text).toContain("The whole configuration is tried at 2126-11-28 22:00:00");
    expect(text).not.toContain("ledger");
  });

  it("does not promise a time that has passed", async () => {
    const text = show({ ...ALL, safe_mode: true, whole_unix_ms: serverNowMs() - 60_000 });
    expect(text).toContain("was due to be tried");
    await switchLanguage("zh-CN");
    expect(show({ ...ALL, safe_mode: true, whole_unix_ms: null })).toContain("安全模式");
  });

  it("names what limits refused", () => {
    const text = show({ ...ALL, series_refused: 1, samples_refused: 20, probe_results_dropped: 3 });
    expect(text).toContain("1 series is refused by a limit");
    expect(text).toContain("20 samples were refused");
    expect(text).toContain("3 results of probes were dropped");
    expect(text).toContain("The ledger has the times");
  });
});
