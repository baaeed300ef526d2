// @vitest-environment jsdom
// KPIs in words, their charts, and an expression checked while it is typed.

import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import i18next from "i18next";
import { useState, type ReactElement } from "react";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import type { Cell } from "../../api/kpis";
import { CellChart, cellWords } from "../../chart/cell_chart";
import { startI18n, switchLanguage } from "../../i18n";
import { ExpressionField } from "../definitions/expression_field";
import { worstCells } from "./latest";
import { kpiSentence, targetText } from "./words";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));
afterEach(() => vi.unstubAllGlobals());

const said = { source: "probe", metric: "probe_up", probe: "orders-api", process: "", step: "", where: "", function: "share", percentile: null, condition: "value = 0" } as const;

describe("a KPI in words", () => {
  it.each([
    [said, "Share of values with value = 0 in the availability (1 up, 0 failing) of probe “orders-api”", "探测“orders-api”的可用性（1 正常，0 失败）取值中满足 value = 0 的占比"],
    [{ ...said, source: "step", process: "orders", step: "review", function: "percentile", percentile: 90 }, "90th percentile of durations of step “review” of “orders”", "“orders”中步骤“review”时长的第 90 百分位数"],
    [{ ...said, source: "case", process: "orders", function: "count", where: `status = "x"` }, "Number of finished cases of “orders”, where status = \"x\"", "“orders”已结束的业务单的数量，仅统计 status = \"x\""],
    [{ ...said, source: "series", metric: "my_own", function: "max" }, "Highest of my_own", "my_own的最大值"],
  ] as const)("%#", async (kpi, en, zh) => {
    expect(kpiSentence(kpi, i18next.t)).toBe(en);
    await switchLanguage("zh-CN");
    expect(kpiSentence(kpi, i18next.t)).toBe(zh);
  });

  it("says its target the right way round", () => {
    expect(targetText({ target: 2, good: "low", unit: "%" }, i18next.t)).toBe("at most 2 %");
    expect(targetText({ target: 99, good: "high", unit: "%" }, i18next.t)).toBe("at least 99 %");
    expect(targetText({ target: null, good: "high", unit: "%" }, i18next.t)).toBe("");
  });
});

const M = 60_000;
const cell = (n: number, over: Partial<Cell> = {}): Cell => ({
  site: "a", begin_unix_ms: n * M, end_unix_ms: (n + 1) * M, version: 1, value: n, n: 6, completeness: 1, ready: true, state: "final", revisions: 0, known_unix_ms: 0, clock_doubt_ms: null, thinned: false, ...over,
});

describe("the chart of cells", () => {
  it("tells final, complete and provisional apart by their lines, and names each", () => {
    const cells = [cell(1), cell(2, { state: "provisional" }), cell(3, { state: "provisional", ready: false, completeness: 0.5 })];
    const { container } = render(<CellChart cells={cells} fromMs={M} toMs={5 * M} zone="UTC" unit="%" title="K" />);
    expect(["final", "ready", "provisional"].map((l) => container.querySelector(`svg[role=img] .cc-line.is-${l}`)?.getAttribute("d")?.includes("H"))).toEqual([true, true, true]);
    expect(screen.getByText("complete, not yet final")).toBeTruthy();
    expect(container.querySelectorAll(".cc-blank.is-pending")).toHaveLength(1);
  });

  it("says what stands on thinned samples, and never that nothing happened there", async () => {
    const cells = [cell(1, { thinned: true }), cell(2, { value: null, n: 0, thinned: true })];
    expect(cells.map((c) => cellWords(c, "%", i18next.t))).toEqual([
      "1 % · 6 values · 100 % complete · final · thinned",
      "thinned: no value of its own · 0 values · 100 % complete · final · thinned",
    ]);
    render(<CellChart cells={cells} fromMs={M} toMs={3 * M} zone="UTC" unit="%" title="K" />);
    expect(screen.getAllByText("thinned: no value of its own")).toHaveLength(1);
    expect(screen.queryByText("nothing happened")).toBeNull();
    await switchLanguage("zh-CN");
    expect(cellWords(cell(1, { thinned: true }), "%", i18next.t)).toContain("已抽稀");
  });

  it("leaves a gap as a gap and calls it unknown", () => {
    const { container } = render(<CellChart cells={[cell(1), cell(2, { value: null, completeness: 0.1 }), cell(3)]} fromMs={M} toMs={4 * M} zone="UTC" unit="" title="K" />);
    expect(container.querySelector(".cc-line.is-final")?.getAttribute("d")?.match(/M/g)).toHaveLength(2);
    expect(container.querySelectorAll(".cc-blank.is-unknown")).toHaveLength(1);
    expect(screen.getByRole("img", { name: "K: 2 of 3 windows have a value, 1 to 3, the latest 3. The values stand in the table." })).toBeTruthy();
  });

  it("shades an incident and draws its threshold", () => {
    const { container } = render(<CellChart cells={[cell(1)]} fromMs={0} toMs={9 * M} zone="UTC" unit="" title="K" line={{ value: 5, name: "threshold" }} span={{ fromMs: M, toMs: 4 * M, name: "the incident" }} />);
    expect(container.querySelector(".cc-span")).not.toBeNull();
    expect(screen.getByText("threshold")).toBeTruthy();
  });
});

it("puts the worst sites first, whichever way is good", () => {
  const cells = [cell(1, { site: "a" }), cell(3, { site: "b" }), cell(2, { site: "c", value: null })];
  expect(worstCells(cells, { target: 2, good: "low" }).map((c) => c.site)).toEqual(["b", "a"]);
  expect(worstCells(cells, { target: 2, good: "high" }).map((c) => c.site)).toEqual(["a", "b"]);
});

describe("an expression", () => {
  function Harness({ first }: { first: string }): ReactElement {
    const [text, setText] = useState(first);
    return <><ExpressionField use="where" source="case" label="Where" placeholder="" value={text} onChange={setText} /><output>{text}</output></>;
  }
  const answer = (body: unknown): void => { vi.stubGlobal("fetch", () => Promise.resolve(new Response(JSON.stringify(body)))); };

  it("that is wrong says where, and mends itself at a click", async () => {
    answer({ ok: false, errors: [{ column: 1, expected: "a name", got: "statos", suggestion: "status" }], names: [{ name: "age", type: "duration", help: "<b>x</b>" }] });
    const { container } = render(<Harness first={"statos = 1"} />);
    const fix = await screen.findByRole("button", { name: "Use “status”" });
    expect(container.querySelector("mark")?.textContent).toBe("statos");
    expect(container.querySelector("b")).toBeNull();
    await userEvent.click(fix);
    expect(container.querySelector("output")?.textContent).toBe("status = 1");
  });

  it("that is right says so", async () => {
    answer({ ok: true, errors: [], names: [] });
    render(<Harness first="true" />);
    expect(await screen.findByText("valid")).toBeTruthy();
  });

  it("that could not be checked says why", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("down")));
    render(<Harness first="true" />);
    expect(await screen.findByText(/does not answer/)).toBeTruthy();
  });
});
