import { describe, expect, it } from "vitest";

import type { Series } from "../api/telemetry";
import { chartGroups } from "./charts";

let nextId = 1;
function series(name: string, labels: Record<string, string> = {}, over: Partial<Series> = {}): Series {
  return { id: nextId++, name, unit: "", kind: name.endsWith("_total") ? "counter" : "gauge", stream: "host", interval_ms: 10_000, labels, first_unix_ms: null, last_unix_ms: null, ...over };
}

describe("charts of a device", () => {
  it("stack CPU by mode without idle, in an order that does not change", () => {
    const [host] = chartGroups(["idle", "system", "user", "iowait"].map((mode) => series("cpu_mode_pct", { mode })));
    expect(host?.charts[0]).toMatchObject({ title: "cpu", kind: "stack", max: 100 });
    expect(host?.charts[0]?.lines.map((l) => l.name.word)).toEqual(["user", "system", "iowait"]);
  });

  it("ask for counters as rates and tell their lines apart by label", () => {
    const [host] = chartGroups([series("net_received_bytes_total", { interface: "lo" }), series("net_received_bytes_total", { interface: "eth0" }), series("net_sent_bytes_total", { interface: "eth0" })]);
    expect(host?.charts[0]?.rate).toBe(true);
    expect(host?.charts[0]?.lines.map((l) => `${l.name.own} ${l.name.word}`)).toEqual(["eth0 net_received_bytes_total", "eth0 net_sent_bytes_total", "lo net_received_bytes_total"]);
  });

  it("are grouped by probe, whatever its name", () => {
    const names = ["shop", "__proto__", "<b>"];
    const groups = chartGroups(names.map((probe) => series("probe_up", { probe }, { stream: "probes" })));
    expect(groups.map((g) => g.name).sort()).toEqual([...names].sort());
    expect(groups.every((g) => g.charts[0]?.kind === "strip")).toBe(true);
  });

  it("include metrics that this version does not know", () => {
    const groups = chartGroups([series("till_drawer_opened_total"), series("till_paper_pct", { lane: "1" }), series("uptime_s")]);
    expect(groups.map((g) => g.kind)).toEqual(["other"]);
    expect(groups[0]?.charts.map((c) => [c.metric, c.unit, c.rate])).toEqual([["till_drawer_opened_total", "per_s", true], ["till_paper_pct", "pct", false]]);
  });

  it("never ask for more series than a query takes, and say how many are left out", () => {
    const [host] = chartGroups(Array.from({ length: 30 }, (_, i) => series("disk_used_pct", { mount: `/m${i}` })));
    expect(host?.charts[0]?.lines).toHaveLength(20);
    expect(host?.charts[0]?.omitted).toBe(10);
  });

  it("are none for a device without series", () => {
    expect(chartGroups([])).toEqual([]);
  });
});
