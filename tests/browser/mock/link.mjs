// What the stand-in says of a device's link: its history, its last report, what it used by month.  A function of the time, as the rest.

import { gapsOf, HOSTILE, noise } from "./world.mjs";

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

const STREAMS = ["events", "probes", "host"];
const STATES = ["online", "filled_in", "thinned", "waiting", "unknown", "gap"];

/** [from, to, state, reason, arrived], later ones over earlier ones. */
function told(world, dev, stream, now) {
  const t0 = world.startMs;
  const out = [[now - 400 * D, dev.since_unix_ms, "unknown", "not_in_service"], [dev.since_unix_ms, now, "online"]];
  const until = dev.silentMs > 0 ? t0 - dev.silentMs : now;
  for (let day = 1; day < 30; day++) {
    if (noise(`${dev.id}cut`, day) > 0.72) {
      const from = t0 - day * D + Math.floor(noise(`${dev.id}at`, day) * 18 * H);
      out.push([from, from + (1 + Math.floor(noise(`${dev.id}len`, day) * 300)) * M, "filled_in", null, from + 6 * H]);
    }
  }
  if (dev.site === "singapore-orchard") {
    for (let at = Math.ceil((t0 - 30 * D) / (20 * M)) * 20 * M; at < t0 - H; at += 20 * M) {
      out.push([at, at + (4 + Math.floor(noise(dev.id, at / (20 * M)) * 9)) * M, "filled_in", null, at + 15 * M]);
    }
  }
  for (const gap of gapsOf(world, dev, now)) {
    if (gap.reason !== "not_arrived" && (gap.reason !== "evicted" || stream === "host")) {
      out.push([gap.from_unix_ms, gap.to_unix_ms, "gap", gap.reason]);
    }
  }
  if (dev.id === "shenzhen-nanshan-server") { // back for five hours, and filling in
    out.push([t0 - 26 * H, t0 - 5 * H, stream === "host" ? "waiting" : "filled_in", null, stream === "host" ? null : t0 - 3 * M], [t0 - 30 * H, t0 - 26 * H, "filled_in", null, t0 - 4 * M]);
    if (stream === "host") {
      out.push([t0 - 42 * H, t0 - 30 * H, "thinned", null, t0 - 2 * M], [t0 - 50 * H, t0 - 42 * H, "gap", "evicted"]);
    }
    return out;
  }
  if (dev.id === "kathmandu-thamel-server" && stream === "host") { // held back by its metered link
    out.push([t0 - 8 * H, now, "waiting"]);
  }
  if (until < now) {
    out.push([until, now, "unknown", dev.state === "never" ? null : "offline"]);
  }
  return out;
}

function laidOver(list, from, to) {
  const edges = [...new Set([from, to, ...list.flatMap(([a, b]) => [a, b]).filter((e) => e > from && e < to)])].sort((a, b) => a - b);
  const out = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    const top = list.findLast(([a, b]) => a <= edges[i] && edges[i] < b) ?? [0, 0, "unknown", null];
    const span = { from_unix_ms: edges[i], to_unix_ms: edges[i + 1], state: top[2], reason: top[3] ?? null, arrived_unix_ms: top[4] ?? null, lasted_ms: edges[i + 1] - edges[i] };
    const last = out[out.length - 1];
    if (last !== undefined && last.state === span.state && last.reason === span.reason) {
      last.to_unix_ms = span.to_unix_ms;
      last.lasted_ms += span.lasted_ms;
      last.arrived_unix_ms = span.arrived_unix_ms === null ? last.arrived_unix_ms : Math.max(last.arrived_unix_ms ?? 0, span.arrived_unix_ms);
    } else {
      out.push(span);
    }
  }
  return out;
}

const worse = (a, b) => (STATES.indexOf(b.state) > STATES.indexOf(a.state) ? b : a);

function joined(spans) {
  const out = [];
  for (const span of spans) {
    const last = out[out.length - 1];
    if (last !== undefined && last.state === span.state && last.reason === span.reason) {
      last.to_unix_ms = span.to_unix_ms;
      last.lasted_ms += span.lasted_ms;
    } else {
      out.push({ ...span });
    }
  }
  return out;
}

function combined(lists, from, to) {
  const edges = [...new Set([from, to, ...lists.flat().flatMap((s) => [s.from_unix_ms, s.to_unix_ms])])].sort((a, b) => a - b);
  return joined(edges.slice(0, -1).map((edge, i) => {
    const here = lists.map((l) => l.find((s) => s.from_unix_ms <= edge && edge < s.to_unix_ms));
    return { ...here.reduce(worse), from_unix_ms: edge, to_unix_ms: edges[i + 1], lasted_ms: edges[i + 1] - edge };
  }));
}

/** The worst of each slot, as the collector does when there are too many. */
function coarse(spans, slot) {
  const [from, to] = [spans[0].from_unix_ms, spans[spans.length - 1].to_unix_ms];
  const out = [];
  for (let at = from; at < to; at = Math.min(to, (Math.floor(at / slot) + 1) * slot)) {
    const end = Math.min(to, (Math.floor(at / slot) + 1) * slot);
    const here = spans.filter((s) => s.from_unix_ms < end && s.to_unix_ms > at);
    const worst = here.reduce(worse);
    const like = here.filter((s) => s.state === worst.state && s.reason === worst.reason);
    out.push({ ...worst, from_unix_ms: at, to_unix_ms: end, lasted_ms: like.reduce((sum, s) => sum + Math.min(end, s.to_unix_ms) - Math.max(at, s.from_unix_ms), 0) });
  }
  return joined(out);
}

export function linkHistory(world, dev, from, to, now) {
  const end = Math.min(to, now);
  const lists = STREAMS.map((stream) => (dev.state === "never" ? [{ from_unix_ms: from, to_unix_ms: end, state: "unknown", reason: null, arrived_unix_ms: null, lasted_ms: end - from }] : laidOver(told(world, dev, stream, now), from, end)));
  const all = combined(lists, from, end);
  const slot = all.length > 248 ? 3 * H : 0;
  const shown = (list) => (slot > 0 && list.length > 248 ? coarse(list, slot) : list);
  return {
    from_unix_ms: from,
    to_unix_ms: end,
    late_ms: 3 * M,
    resolution_ms: slot,
    total_ms: Object.fromEntries(STATES.map((state) => [state, all.filter((s) => s.state === state).reduce((sum, s) => sum + s.to_unix_ms - s.from_unix_ms, 0)])),
    combined: shown(all),
    streams: STREAMS.map((stream, i) => ({ stream, spans: shown(lists[i]) })),
  };
}

const waits = (batches, bytes, samples, oldest) => ({ batches, bytes, samples, oldest_age_ms: oldest });
const CALM = { events: waits(1, 412, 3, 31 * S), probes: waits(1, 1880, 9, 40 * S), host: waits(1, 5210, 640, 40 * S) };
const NTP = { source: "ntp", wall_minus_map_ms: 2, uncertainty_ms: 12, wall_usable: true, floor_lifted: false, drift_ppb: 480, steps: 0 };
const TCP = { transport: "tcp", via_proxy: false, local_address: "10.20.4.17", max_packet_bytes: 1048576, connections: 41, rtt_ms: 34, rate_bytes_per_s: 1240000 };

const WHOLE = { safe_mode: false, whole_unix_ms: null, series_refused: 0, samples_refused: 0, probe_results_dropped: 0 };

const MINE = {
  "shenzhen-nanshan-server": () => ({
    backlog: { events: waits(0, 0, 2, null), probes: waits(126, 191400, 12, 21 * H), host: waits(1260, 6543210, 640, 26 * H) },
    link: { ...TCP, rtt_ms: 310, rate_bytes_per_s: 30100, connections: 212, max_packet_bytes: 20480 },
  }),
  "kathmandu-thamel-server": (now) => ({
    backlog: { ...CALM, host: waits(9, 1310000, 0, 8 * H) },
    clock: { ...NTP, source: "centre", uncertainty_ms: 1240, wall_minus_map_ms: -187 * D, wall_usable: false, floor_lifted: true, drift_ppb: 31000, steps: 1 },
    sampling: { safe_mode: true, whole_unix_ms: now + 22 * M, series_refused: 2, samples_refused: 0, probe_results_dropped: 17 },
    link: { ...TCP, transport: "websocket", via_proxy: true, local_address: "192.168.8.100", rtt_ms: 640, rate_bytes_per_s: 8200 },
    budget: { bytes_per_hour: 2 * 2 ** 20, used_bytes: 1310720, held: ["host"], opens_unix_ms: now + 5 * H },
  }),
  "kathmandu-thamel-till-2": () => ({
    clock: { ...NTP, source: "untrusted", uncertainty_ms: 0, wall_minus_map_ms: 0, wall_usable: false, drift_ppb: 0 },
    link: { ...TCP, local_address: null, rtt_ms: null, rate_bytes_per_s: null, max_packet_bytes: null },
  }),
  "chengdu-chunxi-server": () => ({ backlog: { ...CALM, probes: waits(12, 18100, 9, 14 * M), host: waits(12, 61000, 640, 14 * M) } }),
  "urumqi-tianshan-server": () => null,
  "hostile-server": () => ({ link: { ...TCP, local_address: HOSTILE.slice(0, 63) } }),
};

/** A copied disk: two machines that take turns, of one the address is not known. */
export function identityOf(dev, now) {
  if (!dev.conflict) {
    return null;
  }
  const machine = (address, n, ago) => ({ address, software: "0.1.0", boot: `${n}`.repeat(32), spool: `${n}`.repeat(32), last_unix_ms: now - ago, returns: n });
  return { machines: [machine("192.168.7.20", 3, 4 * 60_000), machine(null, 2, 19 * 60_000)], since_unix_ms: now - 3_600_000, last_unix_ms: now - 4 * 60_000, returns: 5 };
}

export function reportOf(dev, now) {
  const own = MINE[dev.id]?.(now);
  if (dev.state === "never" || own === null) {
    return null;
  }
  const at = dev.silentMs > 3 * M ? dev.data_until_unix_ms : now - 70 * S;
  return { at_unix_ms: at, spool: dev.spool, boot: "ffeeddccbbaa99887766554433221100", backlog: CALM, clock: NTP, link: TCP, budget: null, sampling: WHOLE, ...own };
}

export function usageOf(dev, now) {
  if (reportOf(dev, now) === null) {
    return { items: [] };
  }
  return {
    items: [0, 1, 2, 3].map((back) => {
      const day = new Date(now);
      const month = new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() - back, 1));
      const size = Math.round((30 + 90 * noise(`${dev.id}used`, back)) * 2 ** 20 * (back === 0 ? 0.6 : 1));
      const part = (share) => Math.round(size * share);
      return {
        month: month.toISOString().slice(0, 7), in_bytes: part(0.11), out_bytes: size, events_bytes: part(0.07), probes_bytes: part(0.19), host_bytes: part(0.62),
        other_bytes: size - part(0.07) - part(0.19) - part(0.62), known_unix_ms: now - 70 * S - back * 30 * D,
      };
    }),
  };
}
