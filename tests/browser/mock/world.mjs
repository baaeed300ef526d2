// A made-up organisation, in the shape of the collector's API: sites that are well, failing, late, silent and never seen; gaps with
// reasons; names that try to be HTML.  Everything is a function of the time, so that two runs show the same picture.

import { addEvaluation, liveCounts } from "./evaluation.mjs";

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

export const HOSTILE = `<img src=x onerror="window.__xss=1"><script>window.__xss=1</script>`;

/** 0..1 from a name and a number, the same every time. */
export function noise(seed, n) {
  let h = 2166136261 ^ n;
  for (let i = 0; i < seed.length; i++) {
    h = Math.imul(h ^ seed.charCodeAt(i), 16777619);
  }
  h ^= h >>> 15;
  h = Math.imul(h, 2246822519);
  h ^= h >>> 13;
  return (h >>> 0) / 2 ** 32;
}

function smooth(seed, t, period) {
  const x = t / period;
  const [a, b] = [noise(seed, Math.floor(x)), noise(seed, Math.floor(x) + 1)];
  const f = x - Math.floor(x);
  return a + (b - a) * (3 * f * f - 2 * f * f * f);
}

const SITES = [
  ["hangzhou-xihu", "杭州西湖店", "east/zhejiang", "Asia/Shanghai", { kind: "store", size: "large" }, "down"],
  ["suzhou-depot", "苏州配送中心", "east/jiangsu", "Asia/Shanghai", { kind: "depot" }, "down"],
  ["chengdu-chunxi", "成都春熙路店", "west/sichuan", "Asia/Shanghai", { kind: "store", size: "large" }, "unknown", 8 * H + 20 * M],
  ["new-york-5th", "New York, 5th Avenue", "americas/us-east", "America/New_York", { kind: "store" }, "unknown", 13 * M],
  ["urumqi-tianshan", "乌鲁木齐天山店", "west/xinjiang", "Asia/Urumqi", { kind: "store" }, "unknown", 3 * D],
  ["guangzhou-tianhe", "广州天河店", "south/guangdong", "Asia/Shanghai", { kind: "store", size: "large" }, "late"],
  ["shanghai-xuhui", "上海徐汇店", "east/shanghai", "Asia/Shanghai", { kind: "store", size: "large" }, "up"],
  ["beijing-wangfujing", "北京王府井店", "north/beijing", "Asia/Shanghai", { kind: "store", size: "large" }, "up"],
  ["shenzhen-nanshan", "深圳南山店", "south/guangdong", "Asia/Shanghai", { kind: "store" }, "up"],
  ["frankfurt-depot", "Frankfurt depot", "europe/germany", "Europe/Berlin", { kind: "depot" }, "up"],
  ["singapore-orchard", "Singapore, Orchard Road", "asia-pacific/singapore", "Asia/Singapore", { kind: "store" }, "up"],
  ["kathmandu-thamel", "Kathmandu, Thamel", "asia-pacific/nepal", "Asia/Kathmandu", { kind: "store", size: "small" }, "up"],
  ["kunming-new", "昆明新店", "west/yunnan", "Asia/Shanghai", { kind: "store" }, "never"],
  ["hostile", HOSTILE, "south/'\"><svg onload=window.__xss=1>", "Asia/Shanghai", { "<b>tag</b>": "javascript:window.__xss=1" }, "up"],
];

const PROBES = ["orders-api", "payment", "member-service"];

const METRICS = [
  ...["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"].map((mode) => ["cpu_mode_pct", "%", "gauge", { mode }]),
  ["cpu_used_pct", "%", "gauge", {}],
  ["load1", "", "gauge", {}], ["load5", "", "gauge", {}], ["load15", "", "gauge", {}],
  ["memory_total_bytes", "B", "gauge", {}], ["memory_used_bytes", "B", "gauge", {}], ["memory_available_bytes", "B", "gauge", {}],
  ["swap_total_bytes", "B", "gauge", {}], ["swap_used_bytes", "B", "gauge", {}],
  ...["/", "/var", "/srv/data"].map((mount) => ["disk_used_pct", "%", "gauge", { mount }]),
  ["disk_read_bytes_total", "B", "counter", { device: "sda" }], ["disk_written_bytes_total", "B", "counter", { device: "sda" }],
  ...["eth0", "lo"].flatMap((i) => [["net_received_bytes_total", "B", "counter", { interface: i }], ["net_sent_bytes_total", "B", "counter", { interface: i }]]),
  ["processes_running", "", "gauge", {}], ["processes_total", "", "gauge", {}],
  ["agent_cpu_ms_total", "ms", "counter", {}], ["agent_resident_bytes", "B", "gauge", {}], ["agent_spool_bytes", "B", "gauge", {}], ["agent_waiting_batches", "", "gauge", {}],
];
/** What reports at one device: its value as a counter or gauge, by how long before now. */
const INLETS = [
  ["agent_inlet_reports_total", { inlet: "steps" }, (ago) => 40_000 - Math.floor(ago / (20 * S))],
  ["agent_inlet_reports_total", { inlet: "drop" }, (ago) => (ago < 3.5 * H ? 812 : 800)],
  ["agent_inlet_reports_total", { inlet: "loglines" }, () => 64],
  ["agent_inlet_refused_total", { inlet: "steps", reason: "bad_lines" }, (ago) => 30 - Math.floor(ago / H)],
  ["agent_inlet_refused_total", { inlet: "drop", reason: "unreadable" }, (ago) => 400 - Math.floor(Math.min(ago, 3 * H) / (5 * M))],
  ["agent_inlet_refused_total", { inlet: "http", reason: "unauthorized" }, (ago) => (ago < 40 * M ? 3 : null)],
  ["scrape_up", { source: "node" }, () => 1],
  ["scrape_up", { source: "mysqld" }, (ago) => (ago < 2 * H ? 0 : 1)],
  ["plugin_state", { check: "check_disk", source: "socket" }, (ago) => (ago < 5 * H ? 1 : 0)],
];
const PROBE_METRICS = ["probe_up", "probe_dns_ms", "probe_connect_ms", "probe_tls_ms", "probe_first_byte_ms", "probe_transfer_ms", "probe_total_ms", "probe_status_code", "probe_certificate_days"];

function site([id, name, region, zone, tags], part, now) {
  return { id, name, region, zone, lat: null, lon: null, tags, retired: false, part, created_unix_ms: now - 40 * D, version: 1 };
}

function device(site, state, silentMs, n, now) {
  const isSeen = state !== "never";
  const until = isSeen ? now - (silentMs > 0 ? silentMs : 35 * S) : null;
  return {
    id: `${site}-${n === 1 ? "server" : `till-${n}`}`,
    name: site === "hostile" ? HOSTILE : n === 1 ? "Server" : `Till ${n}`,
    site,
    part: 7,
    retired: false,
    since_unix_ms: now - 30 * D,
    created_unix_ms: now - 30 * D,
    version: 1,
    certificate: isSeen ? { serial: "0a1b2c", not_after_unix_ms: now + 320 * D, fingerprint_sha256: "00".repeat(32) } : null,
    state: silentMs > 3 * M && isSeen ? "unknown" : isSeen ? "up" : "never",
    state_since_unix_ms: isSeen ? now - 5 * H : null,
    presence: isSeen ? (silentMs > 3 * M ? "offline" : "online") : null,
    last_seen_unix_ms: until === null ? null : until + 4 * S,
    data_until_unix_ms: until,
    software: isSeen ? "0.1.0" : null,
    spool: isSeen ? "00112233445566778899aabbccddeeff" : null,
    clock: isSeen ? (site === "kathmandu-thamel" && n === 2 ? "unknown" : "trusted") : null,
    gaps: site === "shanghai-xuhui" ? 3 : 0,
    set_aside: 0,
    waiting_batches: site === "shenzhen-nanshan" ? 1386 : 1,
    conflict: site === "suzhou-depot" && n === 2,
  };
}

export function makeWorld(startMs) {
  const world = { startMs, sites: [], devices: [], series: new Map(), kinds: new Map(), users: [], sessions: new Map() };
  SITES.forEach((row, i) => {
    const [id, , , , , kind, silent = 0] = row;
    world.kinds.set(id, kind);
    world.sites.push(site(row, i, startMs));
    const count = ["shanghai-xuhui", "guangzhou-tianhe", "kathmandu-thamel", "suzhou-depot"].includes(id) ? 2 : 1;
    for (let n = 1; n <= count; n++) {
      const silentMs = kind === "unknown" ? silent : kind === "late" && n === 2 ? 26 * M : 0;
      const d = device(id, kind, silentMs, n, startMs);
      world.devices.push({ ...d, silentMs });
      world.series.set(d.id, kind === "never" ? [] : makeSeries(world.devices.length, d.id, startMs, id === "hostile"));
    }
  });
  world.users = [
    { name: "admin", display_name: "张伟 (Admin)", role: "administrator", language: null, disabled: false },
    { name: "li.na", display_name: "李娜", role: "operator", language: "zh-CN", disabled: false },
    { name: "viewer", display_name: "王芳", role: "viewer", language: "zh-CN", disabled: false },
    { name: "guest", display_name: "Guest", role: "viewer", language: "en", disabled: true },
  ];
  addEvaluation(world);
  return world;
}

function makeSeries(nth, deviceId, startMs, isHostile) {
  const base = nth * 1000;
  const host = METRICS.map(([name, unit, kind, labels]) => ({ name, unit, kind, labels, stream: "host", interval_ms: 10 * S }));
  const names = isHostile ? [...PROBES, HOSTILE] : PROBES;
  const probes = names.flatMap((probe) => PROBE_METRICS.map((name) => ({ name, unit: "", kind: "gauge", labels: { probe }, stream: "probes", interval_ms: 30 * S })));
  if (isHostile) {
    host.push({ name: "custom_<i>metric</i>", unit: HOSTILE, kind: "gauge", labels: { x: HOSTILE }, stream: "host", interval_ms: 10 * S });
  }
  if (deviceId === "shenzhen-nanshan-server") {
    host.push(...INLETS.map(([name, labels]) => ({ name, unit: "1", kind: name.endsWith("_total") ? "counter" : "gauge", labels, stream: "host", interval_ms: 10 * S })));
  }
  return [...host, ...probes].map((s, i) => ({ id: base + i, ...s, first_unix_ms: startMs - 30 * D, last_unix_ms: startMs - 35 * S }));
}

/** Spans without data of one device, oldest first. */
export function gapsOf(world, dev, now) {
  const moved = now - world.startMs;
  const out = [];
  if (dev.site === "shanghai-xuhui" && dev.id.endsWith("server")) {
    out.push([world.startMs - 2 * D, world.startMs - 2 * D + 5 * H, "evicted"], [world.startMs - 9 * H, world.startMs - 8 * H, "disk_full"]);
    out.push([world.startMs - 41 * M, world.startMs - 33 * M, "off"], [world.startMs - 12 * M, world.startMs - 10 * M, "not_arrived"]);
  }
  if (dev.site === "hangzhou-xihu") {
    out.push([world.startMs - 52 * M, world.startMs - 47 * M, "clock"]);
  }
  const until = dev.silentMs > 0 ? world.startMs - dev.silentMs : now - (35 * S + (moved % (20 * S)));
  out.push([until, now + H, "not_arrived"]);
  return out.map(([from_unix_ms, to_unix_ms, reason]) => ({ from_unix_ms, to_unix_ms, reason }));
}

const GiB = 2 ** 30;

function failing(world, dev, probe, t) {
  const kind = world.kinds.get(dev.site);
  if (kind === "down" && probe === "orders-api") {
    return t > world.startMs - 17 * M || (t > world.startMs - 3 * H && t < world.startMs - 2.8 * H);
  }
  return probe === "payment" && noise(`${dev.id}fail`, Math.floor(t / (40 * M))) > 0.97;
}

/** The value of a series at a moment; for counters the rate. */
function valueAt(world, dev, series, t) {
  const seed = `${dev.id}${series.name}${Object.values(series.labels).join()}`;
  const day = 0.5 + 0.5 * Math.sin(((t % D) / D) * 2 * Math.PI - 2);
  const jitter = noise(seed, Math.floor(t / (10 * S)));
  const slow = smooth(seed, t, 7 * M);
  const busy = 0.25 + 0.5 * day + 0.25 * slow;
  const inlet = INLETS.find(([name, labels]) => name === series.name && Object.keys(labels).every((key) => labels[key] === series.labels[key]));
  if (inlet !== undefined) {
    return inlet[2](world.startMs - t);
  }
  switch (series.name) {
    case "cpu_mode_pct": {
      const share = { user: 34, nice: 0.4, system: 11, iowait: 6, irq: 0.3, softirq: 1.2, steal: 0.2 }[series.labels.mode];
      return share === undefined ? 60 : share * busy * (0.7 + 0.6 * jitter) + (series.labels.mode === "user" && noise(`${seed}spike`, Math.floor(t / (3 * M))) > 0.93 ? 30 : 0);
    }
    case "load1": return 2.4 * busy * (0.6 + 0.8 * jitter);
    case "load5": return 2.2 * busy;
    case "load15": return 2 * (0.3 + 0.6 * day);
    case "memory_total_bytes": return 16 * GiB;
    case "memory_used_bytes": return (6 + 3 * busy) * GiB;
    case "memory_available_bytes": return (10 - 3 * busy) * GiB;
    case "swap_total_bytes": return 4 * GiB;
    case "swap_used_bytes": return 0.3 * GiB * (0.8 + 0.4 * slow);
    case "disk_used_pct": return { "/": 41, "/var": 63 }[series.labels.mount] ?? 78 + 4 * day;
    case "disk_read_bytes_total": return 2e6 * busy * jitter * jitter * 3;
    case "disk_written_bytes_total": return 5e6 * busy * (0.3 + jitter);
    case "net_received_bytes_total": return (series.labels.interface === "lo" ? 4e4 : 1.6e6) * busy * (0.4 + jitter);
    case "net_sent_bytes_total": return (series.labels.interface === "lo" ? 4e4 : 4.2e5) * busy * (0.4 + jitter);
    case "processes_running": return Math.round(1 + 4 * busy * jitter);
    case "processes_total": return Math.round(180 + 30 * busy);
    case "probe_up": return failing(world, dev, series.labels.probe, t) ? 0 : 1;
    case "probe_status_code": return failing(world, dev, series.labels.probe, t) ? null : 200;
    case "probe_certificate_days": return 61 - (t - world.startMs) / D;
    case "probe_dns_ms": return 1.5 + 2 * jitter;
    case "probe_connect_ms": return failing(world, dev, series.labels.probe, t) ? null : 8 + 6 * jitter;
    case "probe_tls_ms": return failing(world, dev, series.labels.probe, t) ? null : 14 + 8 * jitter;
    case "probe_first_byte_ms": return failing(world, dev, series.labels.probe, t) ? null : 60 * busy + 40 * jitter;
    case "probe_transfer_ms": return failing(world, dev, series.labels.probe, t) ? null : 4 + 9 * jitter;
    case "probe_total_ms": return failing(world, dev, series.labels.probe, t) ? null : 88 + 60 * busy + 50 * jitter;
    case "agent_cpu_ms_total": return 0.3 + 0.2 * jitter;
    case "agent_resident_bytes": return 5.6 * 2 ** 20 + 2e5 * slow;
    case "agent_spool_bytes": return 1.2 * 2 ** 20 + 4e5 * slow;
    case "agent_waiting_batches": return Math.round(2 * jitter);
    default: return 10 + 5 * slow + jitter;
  }
}

export function querySeries(world, ids, from, to, step, now) {
  return {
    from_unix_ms: from,
    to_unix_ms: to,
    step_ms: step,
    series: ids.flatMap((id) => {
      for (const [deviceId, list] of world.series) {
        const series = list.find((s) => s.id === id);
        if (series !== undefined) {
          return [answer(world, world.devices.find((d) => d.id === deviceId), series, from, to, step, now)];
        }
      }
      return [];
    }),
  };
}

function answer(world, dev, series, from, to, step, now) {
  const gaps = gapsOf(world, dev, now).map((g) => ({ ...g, from_unix_ms: Math.max(g.from_unix_ms, from), to_unix_ms: Math.min(g.to_unix_ms, to) })).filter((g) => g.to_unix_ms > g.from_unix_ms);
  const points = { t: [], n: [], min: [], max: [], mean: [] };
  // At most eight looks a step: enough for a picture.
  const every = Math.max(series.interval_ms, step / 8);
  for (let t = from; t < to; t += step) {
    const seen = [];
    for (let at = Math.ceil(t / every) * every; at < t + step; at += every) {
      const value = gaps.some((g) => g.from_unix_ms <= at && at < g.to_unix_ms) ? null : valueAt(world, dev, series, at);
      if (value !== null) {
        seen.push(value);
      }
    }
    const has = seen.length > 0;
    points.t.push(t);
    points.n.push(seen.length);
    points.min.push(has ? Math.min(...seen) : null);
    points.max.push(has ? Math.max(...seen) : null);
    points.mean.push(has ? seen.reduce((a, b) => a + b, 0) / seen.length : null);
  }
  return { id: series.id, name: series.name, unit: series.unit, labels: series.labels, points, thinned: thinnedOf(world, dev, series, from, to), gaps, doubts: doubtsOf(dev, from, to, world) };
}

/** A buffer that was full for long: host metrics of some hours before what it dropped, and of some after. */
function thinnedOf(world, dev, series, from, to) {
  if (dev.site !== "shanghai-xuhui" || !dev.id.endsWith("server") || series.stream !== "host") {
    return [];
  }
  const begin = Math.max(from, world.startMs - 2 * D + 5 * H);
  const end = Math.min(to, world.startMs - D);
  return end > begin ? [{ from_unix_ms: begin, to_unix_ms: end }] : [];
}

function current(dev, now) {
  const moves = dev.state === "up";
  const until = moves ? now - 35 * S : dev.data_until_unix_ms;
  const { silentMs: _silent, ...rest } = dev;
  return { ...rest, data_until_unix_ms: until, last_seen_unix_ms: moves ? now - 8 * S : dev.last_seen_unix_ms };
}

export function listDevices(world, now) {
  return world.devices.map((d) => current(d, now));
}

export function overview(world, now) {
  const sites = world.sites.filter((s) => !s.retired).map((s) => {
    const devices = listDevices(world, now).filter((d) => d.site === s.id && !d.retired);
    const count = (state) => devices.filter((d) => d.state === state).length;
    const kind = world.kinds.get(s.id) ?? "never";
    const until = devices.map((d) => d.data_until_unix_ms).filter((u) => u !== null);
    const isCurrent = kind === "up" || kind === "late" || kind === "down";
    const hasData = until.length > 0;
    return {
      id: s.id,
      name: s.name,
      region: s.region,
      zone: s.zone,
      tags: s.tags,
      state: kind === "late" ? "up" : kind,
      devices: { up: count("up"), down: count("down"), unknown: count("unknown"), never: count("never") },
      data_until_unix_ms: hasData ? Math.max(...until) : null,
      last_seen_unix_ms: hasData ? Math.max(...devices.map((d) => d.last_seen_unix_ms)) : null,
      oldest_data_until_unix_ms: hasData ? Math.min(...until) : null,
      probes: kind === "never" ? { ok: 0, failing: 0, unknown: 0 } : kind === "unknown" ? { ok: 0, failing: 0, unknown: 3 } : kind === "down" ? { ok: 2, failing: 1, unknown: 0 } : { ok: 3, failing: 0, unknown: 0 },
      cpu_used_pct: isCurrent ? 12 + 80 * smooth(`${s.id}cpu`, now, 5 * M) : null,
      backlog: s.id === "shenzhen-nanshan" ? { devices: 1, batches: 1386 } : { devices: 0, batches: 0 },
      incidents: liveCounts(world, s.id),
      memory_used_pct: isCurrent ? (s.id === "shenzhen-nanshan" ? 96 : 40 + 30 * noise(`${s.id}mem`, 1)) : null,
    };
  });
  const of = (state) => sites.filter((s) => s.state === state).length;
  const identity_conflicts = world.devices.filter((d) => d.conflict && !d.retired).map((d) => ({ device: d.id, name: d.name, site: d.site, last_unix_ms: now - 4 * 60_000 }));
  return { now_unix_ms: now, sites, identity_conflicts, totals: { sites: sites.length, up: of("up"), down: of("down"), unknown: of("unknown"), never: of("never"), devices: world.devices.length } };
}

export function gapLedger(world, now) {
  const items = world.devices.flatMap((d) =>
    gapsOf(world, d, now)
      .filter((g) => g.reason !== "not_arrived")
      .map((g, i) => ({
        device: d.id, stream: i % 2 === 0 ? "host" : "probes", seq_first: 400 + i * 9, seq_last: 404 + i * 9, from_unix_ms: g.from_unix_ms,
        to_unix_ms: g.to_unix_ms, reason: g.reason, samples: g.reason === "evicted" ? 28140 : null, known_unix_ms: g.to_unix_ms + 2 * M,
      })),
  );
  items.push({ device: "urumqi-tianshan-server", stream: "events", seq_first: 12, seq_last: 12, from_unix_ms: null, to_unix_ms: null, not_before_unix_ms: now - 3 * D, not_after_unix_ms: now - 3 * D + 2 * H, reason: "damaged", samples: null, known_unix_ms: now - 2 * D });
  return { items, next: null, unexplained: world.unexplained ?? 0, unexplained_batches: 0 };
}

/** The same in figures; with ?step also over time. */
export function gapTotals(world, now, from, to, step) {
  const sums = new Map();
  const devices = new Map();
  const buckets = Array.from({ length: step > 0 ? Math.ceil((to - from) / step) : 0 }, (_, i) => ({ from_unix_ms: from + i * step, time_ms: {} }));
  const add = (map, key, g, length) => {
    const s = map.get(key) ?? { reason: g.reason, entries: 0, batches: 0, samples: 0, time_ms: 0, first_unix_ms: g.from_unix_ms, last_unix_ms: g.to_unix_ms };
    map.set(key, { ...s, entries: s.entries + 1, batches: s.batches + 1 + g.seq_last - g.seq_first, samples: s.samples + (g.samples ?? 0), time_ms: s.time_ms + length });
  };
  for (const g of gapLedger(world, now).items) {
    const length = g.from_unix_ms === null ? 0 : Math.max(0, Math.min(to, g.to_unix_ms) - Math.max(from, g.from_unix_ms));
    add(sums, g.reason, g, length);
    const own = devices.get(g.device) ?? new Map();
    add(own, g.reason, g, length);
    devices.set(g.device, own);
    for (const b of buckets) {
      const inside = g.from_unix_ms === null ? 0 : Math.min(b.from_unix_ms + step, g.to_unix_ms) - Math.max(b.from_unix_ms, g.from_unix_ms);
      if (inside > 0) {
        b.time_ms[g.reason] = (b.time_ms[g.reason] ?? 0) + inside;
      }
    }
  }
  const missing = unexplained(world, now);
  return {
    unexplained: missing.unexplained,
    reasons: [...sums.values()].map(({ first_unix_ms: _first, last_unix_ms: _last, ...s }) => s),
    devices: [...devices].map(([device, own]) => ({ device, unexplained: missing.items.filter((m) => m.device === device).length, reasons: [...own.values()] })),
    more_devices: false,
    buckets,
  };
}

export function unexplained(world, now) {
  const [device, other] = world.devices;
  const row = (dev, what, more) => ({
    device: dev.id, stream: "host", what, seq_first: null, seq_last: null, from_unix_ms: now - 40 * M, to_unix_ms: now - 38 * M, samples: null,
    since_unix_ms: now - 12 * M, ...more,
  });
  const items = [
    row(device, "vanished", { seq_first: 4711, seq_last: 4712 }), row(other, "hole", { stream: "probes" }),
    row(device, "samples", { samples: 1200 }), row(other, "unanswered", { seq_first: 12, seq_last: 12, from_unix_ms: null }),
  ].slice(0, world.unexplained ?? 0);
  return { unexplained: { gaps: items.length, batches: items.length > 0 ? 2 : 0, unanswered: items.length > 3 ? 1 : 0, since_unix_ms: items.length > 0 ? now - 12 * M : null }, items };
}

/** The oldest is understood now; the others stay as they are. */
export function requeue(world, ids, now) {
  const tried = setAside(world, now).items.filter((i) => i.kept && (ids === undefined || ids.includes(String(i.id))));
  const taken = tried.filter((i) => i.id === 6);
  world.understood = [...(world.understood ?? []), ...taken.map((i) => i.id)];
  world.tried = now;
  world.requeue = { matching: tried.length, running: false, begun_unix_ms: now, ended_unix_ms: now, tried: tried.length, taken: taken.length, kept: tried.length - taken.length, expired: 0, later: 0 };
  return world.requeue;
}

export function requeueState(world) {
  return world.requeue ?? { matching: null, running: false, begun_unix_ms: null, ended_unix_ms: null, tried: 0, taken: 0, kept: 0, expired: 0, later: 0 };
}

export function setAside(world, now) {
  const item = (id, ago, reason, topic, dev, detail, bytes) => ({ id, arrived_unix_ms: now - ago, topic, device: dev, part: 7, reason, detail, bytes, repeats: id % 3, kept: id !== 7, tried_unix_ms: world.tried ?? null });
  return {
    items: [
      item(9, 3 * M, "undecodable", "bl/1/up/07/suzhou-depot-server/live", "suzhou-depot-server", "batch: body is 412 bytes short", 1804),
      item(8, 2 * H, "conflict", "bl/1/up/07/suzhou-depot-till-2/past", "suzhou-depot-till-2", "seq 4711 came again with another checksum", 20411),
      item(7, 9 * H, "foreign_identity", `bl/1/up/07/${HOSTILE}/live`, null, HOSTILE, 96),
      item(6, 30 * H, "retained", "bl/1/up/02/kunming-new-server/live", "kunming-new-server", "retained messages carry no data", 12),
    ].filter((i) => !(world.understood ?? []).includes(i.id)),
    next: null,
  };
}

/** One device whose clock nobody had set for a quarter of an hour. */
function doubtsOf(dev, from, to, world) {
  const [a, b] = [Math.max(from, world.startMs - 45 * M), Math.min(to, world.startMs - 30 * M)];
  return dev.site === "shanghai-xuhui" && a < b ? [{ from_unix_ms: a, to_unix_ms: b, uncertainty_ms: 14000 }] : [];
}

export function events(world, dev, from, to, now) {
  const item = (ago, type, attrs, uncertainty = 101) => ({ unix_ms: world.startMs - ago, uncertainty_ms: uncertainty, boot_ms: 1, type, id: null, attrs, arrived_unix_ms: Math.min(now, world.startMs - ago + 40 * S) });
  const all = [
    item(17 * M, "probe.state", { probe: "orders-api", up: "false", reason: "connect: Connection refused" }),
    item(33 * M, "agent.start", { software: "0.1.0" }),
    item(41 * M, "agent.stop", {}),
    item(47 * M, "clock.unsynced", {}, 2400),
    item(50 * M, "config.loaded", { hash: "9f2c…" }),
    ...(dev.site === "hostile" ? [item(5 * M, HOSTILE, { [HOSTILE]: HOSTILE })] : []),
  ];
  return { items: all.filter((e) => e.unix_ms >= from && e.unix_ms <= to).sort((a, b) => b.unix_ms - a.unix_ms) };
}

export function status(world, now) {
  return {
    version: "0.1.0", epoch: "00112233445566778899aabbccddeeff", started_unix_ms: world.startMs - 3 * D, now_unix_ms: now, broker: { live: "up", past: "up", why: null },
    batches: 184220, samples: 91827364, set_aside: 4, conflicts: 1, unexplained: world.unexplained ?? 0, requeued: 2, last_commit_unix_ms: now - 1500, store_bytes: 211 * 2 ** 20,
    store: { ok: true, why: null, disk_free_bytes: 81 * 2 ** 30, disk_full: false, damaged: null },
  };
}
