// @vitest-environment jsdom
// Rules in words, and why they fired or did not.

import { render, screen } from "@testing-library/react";
import i18next from "i18next";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";

import type { Rule, Run } from "../../api/rules";
import type { Site } from "../../api/sites";
import { startI18n, switchLanguage } from "../../i18n";
import { RunStrip } from "./history";
import { NO_NAMES, ruleSentence, runWords, type Names, type Said } from "./words";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));

const M = 60_000;
const names: Names = { kpi: new Map([["k", { name: "API failures", unit: "%" }]]), process: new Map([["orders", "Orders"]]), channel: new Map([["mail", "Ops mail"]]) };
const threshold: Said = { kind: "threshold", kpi: "k", window: "1m", op: ">", value: 2, for: 5, process: "", limit_ms: null, where: "", after_ms: null, channels: ["mail", "hook"] };

describe("a rule in words", () => {
  it.each([
    [threshold, "IF “API failures” over 1 min is above 2 % for 5 windows in a row, THEN open an incident and tell Ops mail, hook.", "如果“API failures”的 1 分钟值连续 5 个窗口高于 2 %，则产生告警并通知 Ops mail、hook。"],
    [{ ...threshold, for: 1, channels: [] }, "IF “API failures” over 1 min is above 2 %, THEN open an incident and tell nobody.", "如果“API failures”的 1 分钟值连续 1 个窗口高于 2 %，则产生告警，不通知任何人。"],
    [{ ...threshold, kind: "case_open", process: "orders", limit_ms: 30 * M, where: "status <> \"done\"" }, "IF a case of “Orders” has not ended 30 min after its begin and status <> \"done\", THEN open an incident and tell Ops mail, hook.", "如果“Orders”的业务单开始后超过 30 分钟仍未结束，且 status <> \"done\"，则产生告警并通知 Ops mail、hook。"],
    [{ ...threshold, kind: "no_data", after_ms: 10 * M, channels: [] }, "IF nothing has arrived from a device for 10 min, THEN open an incident and tell nobody.", "如果某台设备超过 10 分钟没有任何数据到达，则产生告警，不通知任何人。"],
  ] as const)("%#", async (rule, en, zh) => {
    expect(ruleSentence({ ...rule, channels: [...rule.channels] }, names, i18next.t)).toBe(en);
    await switchLanguage("zh-CN");
    expect(ruleSentence({ ...rule, channels: [...rule.channels] }, names, i18next.t)).toBe(zh);
  });

  it("shows ids where it does not know the names", () => expect(ruleSentence(threshold, NO_NAMES, i18next.t)).toContain("“k”"));
});

const run = (over: Partial<Run>): Run => ({ begin_unix_ms: 0, end_unix_ms: M, outcome: "true", windows: 5, completeness: 1, value_min: 3, value_max: 8, version: 1, ...over });
const limits = { op: ">", value: 2, for: 5, completeness: 0.8 };

describe("why", () => {
  it.each([
    [{}, "above 2 %: 3 % to 8 % · 5 windows in a row are enough for an incident"],
    [{ windows: 3 }, "above 2 %: 3 % to 8 % · 3 windows only, 5 in a row are needed"],
    [{ outcome: "false", value_min: 0, value_max: 1.5 }, "not above 2 %: 0 % to 1.5 %"],
    [{ outcome: "unknown", completeness: 0.4, value_min: null, value_max: null }, "too little is known: 40 % complete, 80 % needed"],
  ] as const)("%j", (over, text) => expect(runWords(run(over), limits, "%", i18next.t)).toBe(text));
});

it("draws met, not met, unknown and not evaluated each in its own shape, and says their shares", () => {
  const site = { id: "a", name: "A", zone: "UTC" } as Site;
  const runs = [run({ end_unix_ms: 5 * M }), run({ begin_unix_ms: 5 * M, end_unix_ms: 6 * M, outcome: "false" }), run({ begin_unix_ms: 6 * M, end_unix_ms: 8 * M, outcome: "unknown" })];
  const { container } = render(<RunStrip rule={limits as Rule} unit="%" site={site} asked={{ fromMs: 0, toMs: 10 * M, runs }} />);
  expect([...container.querySelectorAll(".run-segment")].map((s) => s.className.split(" is-")[1])).toEqual(["true", "false", "unknown", "none"]);
  expect(screen.getByRole("img", { name: "A: met 50 %, not known 40 % of the range." })).toBeTruthy();
});
