import { describe, expect, it } from "vitest";

import type { Incident } from "../api/incidents";
import { chartRange, detectedMs, incidentQuery, readIncidentFilter, urgentFirst, writeIncidentFilter } from "./incidents";

const M = 60_000;

describe("the filter in the URL", () => {
  it.each(["", "state=all", "severity=critical&site=a&rule=r&mine=1", "state=resolved&before=77"])("%s comes back", (text) => {
    const read = readIncidentFilter(new URLSearchParams(text));
    expect(readIncidentFilter(writeIncidentFilter(read))).toEqual(read);
  });

  it("ignores what it does not know", () => {
    expect(readIncidentFilter(new URLSearchParams("state=x&severity=y&before=1;drop&mine=yes"))).toEqual({ state: "live", severity: null, site: null, rule: null, mine: false, before: null });
  });

  it("asks for live ones by both their states, for mine by my name", () => {
    expect(incidentQuery(readIncidentFilter(new URLSearchParams("mine=1")), "li.na")).toEqual({ state: "open,acknowledged", site: null, rule: null, assignee: "li.na", before: null });
    expect(incidentQuery(readIncidentFilter(new URLSearchParams("state=all")), "li.na").state).toBeNull();
  });
});

it("shows the worst first, then the latest", () => {
  const incident = (id: number, severity: Incident["severity"], begin: number): Incident => ({ id, severity, begin_unix_ms: begin }) as Incident;
  expect(urgentFirst([incident(1, "info", 9), incident(2, "warning", 1), incident(3, "critical", 1), incident(4, "critical", 2)]).map((i) => i.id)).toEqual([4, 3, 2, 1]);
});

describe("when it could be told at the site", () => {
  const window = (n: number): { begin_unix_ms: number; end_unix_ms: number; value: number; completeness: number } => ({ begin_unix_ms: n * M, end_unix_ms: (n + 1) * M, value: 9, completeness: 1 });
  const threshold = { kind: "threshold", kpi: "k", kpi_name: "", unit: "", window: "1m", op: ">", threshold: 1, for: 3, worst: null, windows: [window(5), window(6), window(7), window(8)], true_windows: 4, unknown_ms: 0 } as const;
  it("is the end of the Nth window", () => expect(detectedMs({ ...threshold, windows: [...threshold.windows] }, 5 * M)).toBe(8 * M));
  it("is the begin where the facts say no more", () => {
    expect(detectedMs({ ...threshold, windows: [] }, 5 * M)).toBe(5 * M);
    expect(detectedMs(null, 5 * M)).toBe(5 * M);
  });
  it("is the deadline of a case", () => expect(detectedMs({ kind: "case_open", process: "p", process_name: "", case: "c", limit_ms: M, begin_unix_ms: 0, deadline_unix_ms: M, end_unix_ms: null, status: "", attrs: {} }, M)).toBe(M));
  it("is the silence allowed, after the last data", () => expect(detectedMs({ kind: "no_data", device: "d", last_unix_ms: 10, after_ms: 5 }, 3)).toBe(15));
});

describe("the range of its chart", () => {
  it("has windows before and after, on their borders", () => expect(chartRange(100.5 * M, 110 * M, M, 500 * M)).toEqual({ fromMs: 80 * M, toMs: 120 * M }));
  it("does not look beyond now", () => expect(chartRange(100 * M, 130 * M, M, 130 * M)).toEqual({ fromMs: 80 * M, toMs: 130 * M }));
  it("has an end for one that lasts for weeks", () => expect(chartRange(100 * M, 9999 * M, M, 9999 * M).toMs).toBe(380 * M));
});
