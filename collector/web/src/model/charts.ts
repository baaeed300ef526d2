// Which charts a device's series make.  Known metrics have their place; a metric this version does not know still gets a chart, at
// the end, so that a newer agent's data are never invisible.

import type { Series } from "../api/telemetry";
import type { Unit } from "./units";

export type ChartKind = "lines" | "stack" | "strip";
export type ChartTitle =
  | "cpu" | "load" | "memory" | "swap" | "disk_space" | "disk_io" | "network" | "processes"
  | "probe_up" | "probe_phases" | "probe_total" | "probe_status" | "probe_certificate"
  | "agent_cpu" | "agent_memory" | "agent_spool" | "agent_waiting";

/** A line's name: a word of ours (a metric, a mode, a phase), a name from the agent, or both. */
export interface LineName {
  word: string | null;
  own: string | null;
}

export interface ChartLine {
  series: Series;
  name: LineName;
}

export interface Chart {
  id: string;
  /** null: a metric without a title of ours; `metric` is its name. */
  title: ChartTitle | null;
  metric: string;
  kind: ChartKind;
  unit: Unit;
  rate: boolean;
  max: number | null;
  lines: ChartLine[];
  /** Lines left out, because a query takes at most 20 series. */
  omitted: number;
}

export interface ChartGroup {
  id: string;
  kind: "host" | "probe" | "agent" | "other";
  /** The probe's name. */
  name: string | null;
  charts: Chart[];
}

interface Rule {
  title: ChartTitle;
  metrics: string[];
  unit: Unit;
  kind?: ChartKind;
  rate?: boolean;
  max?: number;
  /** The label that tells lines of one metric apart. */
  by?: string;
}

const HOST: Rule[] = [
  { title: "cpu", metrics: ["cpu_mode_pct"], unit: "pct", kind: "stack", max: 100, by: "mode" },
  { title: "load", metrics: ["load1", "load5", "load15"], unit: "count" },
  { title: "memory", metrics: ["memory_used_bytes", "memory_available_bytes", "memory_total_bytes"], unit: "bytes" },
  { title: "swap", metrics: ["swap_used_bytes", "swap_total_bytes"], unit: "bytes" },
  { title: "disk_space", metrics: ["disk_used_pct"], unit: "pct", max: 100, by: "mount" },
  { title: "disk_io", metrics: ["disk_read_bytes_total", "disk_written_bytes_total"], unit: "bytes_per_s", rate: true, by: "device" },
  { title: "network", metrics: ["net_received_bytes_total", "net_sent_bytes_total"], unit: "bytes_per_s", rate: true, by: "interface" },
  { title: "processes", metrics: ["processes_running", "processes_total"], unit: "count" },
];

const PROBE: Rule[] = [
  { title: "probe_up", metrics: ["probe_up"], unit: "count", kind: "strip" },
  {
    title: "probe_phases",
    metrics: ["probe_dns_ms", "probe_connect_ms", "probe_proxy_ms", "probe_tls_ms", "probe_first_byte_ms", "probe_transfer_ms"],
    unit: "ms",
    kind: "stack",
  },
  { title: "probe_total", metrics: ["probe_total_ms"], unit: "ms" },
  { title: "probe_status", metrics: ["probe_status_code"], unit: "code" },
  { title: "probe_certificate", metrics: ["probe_certificate_days"], unit: "days" },
];

const AGENT: Rule[] = [
  { title: "agent_cpu", metrics: ["agent_cpu_ms_total"], unit: "ms", rate: true },
  { title: "agent_memory", metrics: ["agent_resident_bytes"], unit: "bytes" },
  { title: "agent_spool", metrics: ["agent_spool_bytes"], unit: "bytes" },
  { title: "agent_waiting", metrics: ["agent_waiting_batches"], unit: "count" },
];

// Part of another chart's story, or constant: not worth a chart of its own.
const QUIET = new Set([
  "cpu_used_pct", "cpu_count", "memory_used_pct", "memory_cached_bytes", "memory_buffers_bytes", "disk_total_bytes", "disk_used_bytes", "disk_inodes_used_pct",
  "disk_reads_total", "disk_writes_total", "disk_io_time_ms_total", "net_received_packets_total", "net_sent_packets_total", "net_receive_errors_total",
  "net_send_errors_total", "net_receive_dropped_total", "net_send_dropped_total", "uptime_s", "agent_open_files", "agent_threads", "probe_body_bytes", "probe_body_match",
]);

const MOST_LINES = 20;

function label(series: Series, key: string | undefined): string | null {
  return key === undefined ? null : (series.labels[key] ?? null);
}

function lineName(rule: Rule, series: Series): LineName {
  const own = label(series, rule.by);
  if (rule.title === "cpu") {
    return { word: own, own: null };
  }
  return { word: rule.metrics.length > 1 || own === null ? series.name : null, own };
}

const CPU_MODES = ["user", "nice", "system", "iowait", "irq", "softirq", "steal"];

function linesOf(rule: Rule, all: readonly Series[]): ChartLine[] {
  const lines = rule.metrics.flatMap((metric) =>
    all.filter((s) => s.name === metric).map((series) => ({ series, name: lineName(rule, series) })),
  );
  if (rule.title === "cpu") {
    // Idle is what the others leave; stacking it would hide them.
    return CPU_MODES.flatMap((mode) => lines.filter((l) => l.name.word === mode));
  }
  if (rule.by !== undefined) {
    lines.sort((a, b) => Number(isMinor(a)) - Number(isMinor(b)) || (a.name.own ?? "").localeCompare(b.name.own ?? ""));
  }
  return lines;
}

/** The loop-back interface and loop devices come last. */
function isMinor(line: ChartLine): boolean {
  return /^(lo|loop\d*|ram\d+)$/.test(line.name.own ?? "");
}

function chartOf(rule: Rule, all: readonly Series[], prefix: string): Chart[] {
  const lines = linesOf(rule, all);
  if (lines.length === 0) {
    return [];
  }
  return [
    {
      id: `${prefix}${rule.title}`,
      title: rule.title,
      metric: rule.metrics[0] ?? "",
      kind: rule.kind ?? "lines",
      unit: rule.unit,
      rate: rule.rate ?? false,
      max: rule.max ?? null,
      lines: lines.slice(0, MOST_LINES),
      omitted: Math.max(0, lines.length - MOST_LINES),
    },
  ];
}

function unitOf(series: Series): Unit {
  if (series.kind === "counter") {
    return series.name.includes("_bytes") ? "bytes_per_s" : "per_s";
  }
  const suffixes: [RegExp, Unit][] = [[/_pct$/, "pct"], [/_bytes$/, "bytes"], [/_ms$/, "ms"], [/_days$/, "days"]];
  return suffixes.find(([re]) => re.test(series.name))?.[1] ?? "count";
}

function otherCharts(all: readonly Series[]): Chart[] {
  const names = [...new Set(all.map((s) => s.name))].sort((a, b) => a.localeCompare(b));
  return names.flatMap((metric) => {
    const own = all.filter((s) => s.name === metric);
    const [first] = own;
    if (first === undefined) {
      return [];
    }
    const lines = own.map((series) => ({ series, name: { word: null, own: Object.values(series.labels).join(" ") || metric } }));
    return [
      {
        id: `other:${metric}`,
        title: null,
        metric,
        kind: "lines" as const,
        unit: unitOf(first),
        rate: first.kind === "counter",
        max: null,
        lines: lines.slice(0, MOST_LINES),
        omitted: Math.max(0, lines.length - MOST_LINES),
      },
    ];
  });
}

export function chartGroups(all: readonly Series[]): ChartGroup[] {
  const probes = [...new Set(all.flatMap((s) => (s.labels["probe"] === undefined ? [] : [s.labels["probe"]])))].sort((a, b) => a.localeCompare(b));
  const groups: ChartGroup[] = [
    { id: "host", kind: "host", name: null, charts: HOST.flatMap((rule) => chartOf(rule, all, "")) },
    ...probes.map((name) => {
      const own = all.filter((s) => s.labels["probe"] === name);
      return { id: `probe:${name}`, kind: "probe" as const, name, charts: PROBE.flatMap((rule) => chartOf(rule, own, `${name}:`)) };
    }),
    { id: "agent", kind: "agent", name: null, charts: AGENT.flatMap((rule) => chartOf(rule, all, "")) },
  ];
  const placed = new Set([...HOST, ...PROBE, ...AGENT].flatMap((rule) => rule.metrics));
  const left = all.filter((s) => !placed.has(s.name) && !QUIET.has(s.name));
  groups.push({ id: "other", kind: "other", name: null, charts: otherCharts(left) });
  return groups.filter((g) => g.charts.length > 0);
}
