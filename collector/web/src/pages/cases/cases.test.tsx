// @vitest-environment jsdom
// Cases on their time line: what is open, over its limit, or hostile.

import { render, screen } from "@testing-library/react";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";

import type { Case } from "../../api/cases";
import { startI18n, switchLanguage } from "../../i18n";
import "../../i18n/work";
import { Attributes } from "./attributes";
import { Wait } from "./case";
import { Timeline } from "./timeline";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));

const M = 60_000;
const HOSTILE = `<img src=x onerror="window.__xss=1">`;
const item = (over: Partial<Case>): Case => ({ no: 1, site: "a", process: "orders", case: "A-1", status: "", begin_unix_ms: 10 * M, end_unix_ms: 20 * M, events: 2, attrs: {}, ...over });

function show(cases: Case[]): HTMLElement {
  return render(<Timeline cases={cases} limits={new Map([["orders", 30 * M]])} fromMs={0} toMs={60 * M} nowMs={60 * M} zoneOf={() => "UTC"} site="a" siteName={(s) => s} processName={(p) => p} />).container;
}

describe("the time line", () => {
  it("draws an ended case from begin to end", () => {
    const bar = show([item({})]).querySelector<HTMLElement>(".lane-track .lane-bar");
    expect(bar?.className).toBe("lane-bar");
    expect([bar?.style.left, bar?.style.width].map((w) => Math.round(parseFloat(w ?? "")))).toEqual([17, 17]);
    expect(screen.getByText("1970-01-01 00:10:00 · took 10 min")).toBeTruthy();
  });

  it("leaves an open one open-ended, and marks one over its limit with a word too", () => {
    const container = show([item({ end_unix_ms: null, status: "picking" })]);
    expect(container.querySelector(".lane-track .lane-bar")?.className).toBe("lane-bar is-open is-over");
    expect(container.querySelector(".lane-track .lane-limit")).not.toBeNull();
    expect(screen.getByText("1970-01-01 00:10:00 · open for 50 min · over the limit · picking")).toBeTruthy();
  });

  it("shows names from outside as text, and links only into the app", () => {
    const container = show([item({ case: HOSTILE, process: HOSTILE, status: HOSTILE })]);
    expect(container.querySelector("img")).toBeNull();
    expect(screen.getByRole("link", { name: HOSTILE }).getAttribute("href")).toBe("/cases/1");
  });
});

it("shows attributes of any kind as text", () => {
  const { container } = render(<Attributes attrs={{ [HOSTILE]: HOSTILE, n: 3, deep: { a: [1] } }} />);
  expect(container.querySelector("img")).toBeNull();
  expect(container.textContent).toContain('{"a":[1]}');
});

describe("a limit that has passed without a verdict", () => {
  const wait = { rule: "late", deadline_unix_ms: 30 * M, devices: [{ device: "d1", name: HOSTILE, known_until_unix_ms: 29 * M }, { device: "d2", name: "Till", known_until_unix_ms: null }], more: false };

  it("names the devices that it waits for, and how far each is known", async () => {
    const { container } = render(<Wait wait={wait} ruleName="Late orders" zone="UTC" />);
    expect(container.querySelector("img")).toBeNull();
    expect(container.textContent).toContain("The limit of “Late orders” passed at 1970-01-01 00:30:00; whether the case is late is not decided yet.");
    expect(container.textContent).toContain(`${HOSTILE} (known up to 1970-01-01 00:29:00), Till (nothing known since the case began).`);
    await switchLanguage("zh-CN");
    const chinese = render(<Wait wait={wait} ruleName="订单超时" zone="UTC" />).container.textContent;
    expect(chinese).toContain("“订单超时”的时限已于 1970-01-01 00:30:00 到期，是否超时尚未判定。");
    expect(chinese).toContain("、Till（业务单开始后尚无数据）");
  });

  it("promises it soon when nothing is missing", () => {
    expect(render(<Wait wait={{ ...wait, devices: [] }} ruleName="x" zone="UTC" />).container.textContent).toContain("All events are here");
  });

  it("does not say so when not all devices are named", () => {
    const show = (devices: typeof wait.devices): string => render(<Wait wait={{ ...wait, devices, more: true }} ruleName="x" zone="UTC" />).container.textContent;
    expect(show([])).toContain("too many devices");
    expect(show(wait.devices)).toContain("More devices are missing");
  });
});
