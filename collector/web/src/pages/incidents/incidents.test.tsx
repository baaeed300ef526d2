// @vitest-environment jsdom
// What an incident says for itself, in both languages.

import { render, screen } from "@testing-library/react";
import i18next from "i18next";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";

import type { CaseFacts, Entry, Facts, Incident, ThresholdFacts } from "../../api/incidents";
import { startI18n, switchLanguage } from "../../i18n";
import { IncidentCounts, SeverityBadge } from "../../ui/severity";
import { causeSentences } from "./cause";
import { Entries, entryText } from "./entries";
import { SpanCell, subjectText } from "./words";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));

const HOSTILE = `<img src=x onerror="window.__xss=1">`;
const T = Date.parse("2026-11-28T01:20:00Z");
const M = 60_000;
const ZONE = "Asia/Shanghai";

const threshold: ThresholdFacts = {
  kind: "threshold", kpi: "k", kpi_name: "API failures", unit: "%", window: "1m", op: ">", threshold: 2, for: 5, worst: 9.38, true_windows: 15, unknown_ms: 3 * M,
  windows: [0, 1, 2, 3, 4].map((n) => ({ begin_unix_ms: T + n * M, end_unix_ms: T + (n + 1) * M, value: 5, completeness: 1 })),
};
const overdue: CaseFacts = { kind: "case_open", process: "orders", process_name: "Orders", case: "A-7", limit_ms: 90 * M, begin_unix_ms: T, deadline_unix_ms: T + 90 * M, end_unix_ms: T + 100 * M, status: "picking", attrs: {} };

const say = (facts: Facts | null): string => causeSentences(facts, ZONE, i18next.t).join(" ");

describe("the cause, in words", () => {
  it("of a threshold", async () => {
    expect(say(threshold)).toBe("From 2026-11-28 09:20:00, “API failures” was above 2 % for 5 windows of 1 min in a row. The worst value was 9.38 %. In all 15 windows were above the threshold. For 3 min of that time nothing is known; it counts neither as good nor as bad.");
    await switchLanguage("zh-CN");
    expect(say(threshold)).toBe("自 2026-11-28 09:20:00 起，“API failures”连续 5 个 1 分钟窗口高于 2 %。 最差值为 9.38 %。 期间共有 15 个窗口高于阈值。 其中 3 分钟的数据未知，既不算正常也不算异常。");
  });

  it("of a case that took too long", async () => {
    expect(say(overdue)).toBe("Case A-7 of “Orders” began at 2026-11-28 09:20:00 and had not ended after 1 h 30 min, at 2026-11-28 10:50:00. It ended at 2026-11-28 11:00:00, 10 min over the limit. Its status was “picking”.");
    expect(say({ ...overdue, end_unix_ms: null, status: "" })).toContain("As far as is known it is still open.");
    await switchLanguage("zh-CN");
    expect(say(overdue)).toBe("“Orders”的业务单 A-7 于 2026-11-28 09:20:00 开始，超过时限 1 小时 30 分钟，到 2026-11-28 10:50:00 仍未结束。 它于 2026-11-28 11:00:00 结束，超时 10 分钟。 当时状态为“picking”。");
  });

  it("of silence, which is not a failure", () => {
    expect(say({ kind: "no_data", device: "till-1", last_unix_ms: T, after_ms: 10 * M })).toContain("Nothing has arrived from device “till-1” since 2026-11-28 09:20:00; the rule allows 10 min.");
    expect(say({ kind: "no_data", device: "till-1", last_unix_ms: null, after_ms: 10 * M })).toContain("Nothing has ever arrived");
  });

  it("of a kind that this page does not know", () => expect(say(null)).toContain("does not know yet"));

  it("keeps an unknown operator and window as they are, and names as text", () => {
    expect(say({ ...threshold, op: "~", window: "2w", kpi_name: `${HOSTILE} {{op}} $t(app.name)` })).toContain(`“${HOSTILE} {{op}} $t(app.name)” was ~ 2 % for 5 windows of 2w`);
  });
});

describe("a row of the list", () => {
  it.each<[string, Facts | null, string]>([
    ["orders/A-7", overdue, "Orders / A-7"], ["orders/A-7", { ...overdue, process_name: "" }, "orders / A-7"], ["a", threshold, ""], ["till-1", null, "till-1"],
  ])("is about %s", (subject, explanation, text) => expect(subjectText({ subject, site: "a", explanation })).toBe(text));

  it.each([["en", "still on, as far as is known"], ["zh-CN", "据目前所知仍在持续"]] as const)("says no more than is known, in %s", async (language, text) => {
    await switchLanguage(language);
    const incident = { zone: ZONE, begin_unix_ms: T, end_unix_ms: null, clock_doubt_ms: null } as Incident;
    expect(render(<SpanCell incident={incident} />).container.textContent).toContain(text);
  });
});

describe("the history", () => {
  const entry = (kind: string, detail: Record<string, unknown> = {}, actor = "li.na"): Entry => ({ n: 1, unix_ms: T, actor, kind, detail });
  const people = [{ name: "li.na", display_name: "李娜" }];

  it.each([
    ["assigned", { user: "li.na" }, "gave it to 李娜"], ["assigned", { user: "" }, "took it from everybody"], ["merged", { into: 7 }, "merged it into incident 7"],
    ["merged", { from: 8 }, "took in incident 8, which was the same one"], ["amended", { before: {}, after: { begin_unix_ms: T, end_unix_ms: null } }, "amended it after late data: 2026-11-28 09:20:00 – still on, as far as is known"], ["amended", {}, "amended it after late data"], ["brand_new", {}, "brand_new"], ["toString", {}, "toString"],
  ])("%s %j reads: %s", (kind, detail, text) => expect(entryText(entry(kind, detail), ZONE, people, i18next.t)).toBe(text));

  it("shows what people wrote as text", () => {
    const { container } = render(<Entries entries={[entry("commented", { text: `${HOSTILE}\nsecond line` }), { ...entry("opened", {}, "system"), n: 2 }]} zone={ZONE} people={people} />);
    expect(container.querySelector("img")).toBeNull();
    expect(container.textContent).toContain(HOSTILE);
    expect(screen.getByText("Branchline")).toBeTruthy();
  });
});

describe("severities", () => {
  it.each(["critical", "warning", "info"] as const)("%s has a word and a shape", (severity) => {
    const { container } = render(<SeverityBadge severity={severity} />);
    expect(container.textContent).not.toBe("");
    expect(container.querySelector("svg")).not.toBeNull();
  });

  it("of a site are one link that says all numbers, and nothing when there are none", () => {
    const { container, rerender } = render(<IncidentCounts site="a/b" name="A" counts={{ critical: 2, warning: 0, info: 1 }} />);
    expect(screen.getByRole("link", { name: "A: Critical: 2, Info: 1" }).getAttribute("href")).toBe("/incidents?site=a%2Fb");
    rerender(<IncidentCounts site="a" name="A" counts={{ critical: 0, warning: 0, info: 0 }} />);
    expect(container.textContent).toBe("");
  });
});
