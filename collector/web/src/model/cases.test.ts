import { describe, expect, it } from "vitest";

import type { CaseDetail } from "../api/cases";
import { bar, isOver, limitsByProcess, readCaseFilter, stepBars, writeCaseFilter } from "./cases";

const M = 60_000;

describe("a bar", () => {
  it.each([
    [2, 4, { leftPct: 20, widthPct: 20, cutLeft: false, cutRight: false }], [-5, 5, { leftPct: 0, widthPct: 50, cutLeft: true, cutRight: false }],
    [8, 99, { leftPct: 80, widthPct: 20, cutLeft: false, cutRight: true }], [3, 3, { leftPct: 30, widthPct: 0, cutLeft: false, cutRight: false }],
  ])("%s to %s of 0 to 10", (begin, end, expected) => expect(bar(begin, end, 0, 10)).toEqual(expected));
});

describe("over the limit", () => {
  const rule = { kind: "case_open", enabled: true, process: "orders", limit_ms: 30 * M };
  const limits = limitsByProcess([rule, { ...rule, limit_ms: 60 * M }, { ...rule, enabled: false, limit_ms: M }, { ...rule, kind: "threshold", process: "x" }]);
  it("is what the strictest rule that is on says", () => expect([...limits]).toEqual([["orders", 30 * M]]));
  it.each([
    ["orders", 0, 31 * M, true], ["orders", 0, 30 * M, false], ["orders", 0, null, true], ["other", 0, 99 * M, false],
  ] as const)("%s from %s to %s: %s", (process, begin, end, is) => expect(isOver({ process, begin_unix_ms: begin, end_unix_ms: end }, limits, 40 * M)).toBe(is));
});

it("keeps the filter in the URL, beside what else stands there", () => {
  const read = readCaseFilter(new URLSearchParams("view=cases&site=a&open=1&last=7d&before=12"));
  expect(read).toEqual({ site: "a", process: null, open: true, last: "7d", before: "12" });
  expect(writeCaseFilter(read, new URLSearchParams("view=cases")).toString()).toBe("view=cases&site=a&open=1&last=7d&before=12");
  expect(readCaseFilter(new URLSearchParams("last=valueOf&before=x&open=yes"))).toEqual({ site: null, process: null, open: false, last: "6h", before: null });
});

it("lays out steps: done, open-ended, and one whose begin never came", () => {
  const step = (name: string, begin: number | null, end: number | null): CaseDetail["steps"][number] => ({ step: name, device: "d", begin_unix_ms: begin, end_unix_ms: end, uncertainty_ms: null, attrs: {} });
  const detail = { begin_unix_ms: 0, end_unix_ms: null, steps: [step("open", 5, null), step("lost", null, 4), step("done", 0, 3)] } as unknown as CaseDetail;
  expect(stepBars(detail, 9).map((b) => [b.step.step, b.beginMs, b.endMs, b.kind, b.durationMs])).toEqual([["done", 0, 3, "done", 3], ["lost", 4, 4, "no_begin", null], ["open", 5, 9, "open", null]]);
});
