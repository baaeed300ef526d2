// One metric over the made-up devices, and what is stored of it: in the collector's shapes, worked out from the same series.

import { querySeries } from "./world.mjs";

const [S, M, H, D] = [1000, 60_000, 3_600_000, 86_400_000];
const QUANTILES = { p50: 0.5, p75: 0.75, p90: 0.9, p95: 0.95, p99: 0.99 };

/** As Map.groupBy, which Node 20 does not have. */
function groupBy(list, keyOf) {
  const out = new Map();
  for (const item of list) {
    const key = keyOf(item);
    out.set(key, [...(out.get(key) ?? []), item]);
  }
  return out;
}

function all(world) {
  return [...world.series].flatMap(([device, list]) => list.map((series) => ({ device, site: world.devices.find((d) => d.id === device).site, series })));
}

function fits(world, params, { device, site, series }) {
  const region = params.get("region");
  const own = world.sites.find((s) => s.id === site)?.region ?? "";
  const [key, value] = (params.get("labels") ?? "").split("=");
  return series.name === params.get("metric") && (params.get("site") ?? site) === site && (params.get("device") ?? device) === device &&
    (region === null || own === region || own.startsWith(`${region}/`)) && (key === "" || series.labels[key] === value);
}

export function listMetrics(world) {
  const by = groupBy(all(world), (x) => x.series.name);
  const items = [...by].map(([name, list]) => ({
    name, unit: list[0].series.unit, kinds: [...new Set(list.map((x) => x.series.kind))], series: list.length, devices: new Set(list.map((x) => x.device)).size,
    interval_ms: Math.min(...list.map((x) => x.series.interval_ms)),
  }));
  return { items: items.sort((a, b) => (a.name < b.name ? -1 : 1)), next: null };
}

/** Words as the collector's catalogue has them; disk_used_pct is left out, as if a newer agent sent it. */
export function catalogue(world) {
  const items = listMetrics(world).items.filter((m) => m.name !== "disk_used_pct").map((m) => ({
    name: m.name, area: "mock", kind: m.kinds[0], unit: m.unit, description: { en: `What ${m.name} says`, zh: `${m.name} 的含义` },
  }));
  return { units: [{ name: "pct", text: { en: "%", zh: "%" } }, { name: "bytes", text: { en: "B", zh: "B" } }, { name: "1", text: { en: "", zh: "" } }], items };
}

export function metricLabels(world, metric) {
  const of = all(world).filter((x) => x.series.name === metric);
  const keys = [...new Set(of.flatMap((x) => Object.keys(x.series.labels)))].sort();
  return {
    metric, unit: of[0]?.series.unit ?? "", series: of.length,
    items: keys.map((key) => ({ key, values: [...new Set(of.flatMap((x) => x.series.labels[key] ?? []))].sort().slice(0, 1000), more: false })),
    more: false,
  };
}

function keyOf(world, params, { device, site, series }) {
  switch (params.get("group") ?? "all") {
    case "site": return site;
    case "device": return device;
    case "region": return world.sites.find((s) => s.id === site)?.region || null;
    case "label": return series.labels[params.get("group_label")] ?? null;
    default: return null;
  }
}

function fold(agg, values) {
  const sorted = values.toSorted((a, b) => a - b);
  const sum = values.reduce((a, b) => a + b, 0);
  switch (agg) {
    case "min": return sorted[0];
    case "max": return sorted.at(-1);
    case "count": return values.length;
    case "sum": case "total": case "increase": case "rate": return sum;
    default: return agg in QUANTILES ? sorted[Math.floor(QUANTILES[agg] * (sorted.length - 1))] : sum / values.length;
  }
}

/** Steps without a value, joined; behind now they are the future. */
function gapsOf(t, value, step, now) {
  const out = [];
  t.forEach((at, i) => {
    if (value[i] !== null) {
      return;
    }
    const reason = at + step > now ? "future" : "no_data";
    const last = out.at(-1);
    if (last?.to_unix_ms === at && last.reason === reason) {
      last.to_unix_ms = at + step;
    } else {
      out.push({ from_unix_ms: at, to_unix_ms: at + step, reason });
    }
  });
  return out;
}

export function queryMetric(world, params, now) {
  const [wantedFrom, wantedTo, points] = ["from", "to", "points"].map((key) => Number(params.get(key) ?? 600));
  const agg = params.get("agg") ?? "avg";
  const step = [10 * S, 30 * S, M, 5 * M, 15 * M, H, 6 * H, D].find((s) => s >= (wantedTo - wantedFrom) / points) ?? D;
  const from = Math.floor(wantedFrom / step) * step;
  const to = Math.ceil(wantedTo / step) * step;
  const level = step >= H ? "1h" : step >= 5 * M ? "5m" : "raw";
  const chosen = all(world).filter((x) => fits(world, params, x));
  const t = Array.from({ length: (to - from) / step }, (_, i) => from + i * step);
  const groups = [...groupBy(chosen, (x) => keyOf(world, params, x))].map(([key, list]) => {
    const answers = querySeries(world, list.map((x) => x.series.id), from, to, step, now).series;
    const known = t.map((at, i) => answers.map((a) => a.points.mean[i]).filter((v) => v !== null && at <= now));
    const value = known.map((v) => (v.length === 0 ? null : fold(agg, v)));
    return {
      key, name: params.get("group") === "site" ? (world.sites.find((s) => s.id === key)?.name ?? null) : null, series: list.length, value,
      n: known.map((v) => v.length * (step / (10 * S))), covered: known.map((v) => v.length), unknown: known.map(() => 0), gaps: gapsOf(t, value, step, now),
    };
  });
  return {
    metric: params.get("metric"), unit: (chosen[0]?.series.unit ?? "") + (agg === "rate" ? "/s" : ""), agg, group: params.get("group") ?? "all", group_label: params.get("group_label"),
    from_unix_ms: from, to_unix_ms: to, step_ms: step, steps: t.length, resolution: [{ from_unix_ms: from, to_unix_ms: to, level }],
    relative_error: agg in QUANTILES ? 0.01 : null, series: chosen.length, left_out: 0, samples: groups.flatMap((g) => g.n).reduce((a, b) => a + b, 0), unknown: 0, t, groups,
  };
}

export function latestOf(world, params, now) {
  const chosen = all(world).filter((x) => fits(world, params, x));
  const at = chosen.map((x) => querySeries(world, [x.series.id], now - 5 * M, now, 10 * S, now).series[0].points);
  const last = at.map((p) => p.mean.findLastIndex((v) => v !== null));
  const states = last.map((i, n) => (i < 0 ? "stale" : chosen[n].device.length % 11 === 0 ? "unknown" : "current"));
  return {
    metric: params.get("metric"), unit: chosen[0]?.series.unit ?? "", now_unix_ms: now, complete: true, more: false,
    series: chosen.map((x) => x.series.id), device: chosen.map((x) => x.device), site: chosen.map((x) => x.site), labels: chosen.map((x) => x.series.labels),
    unix_ms: last.map((i, n) => (i < 0 ? now - 3 * H : at[n].t[i])), value: last.map((i, n) => (states[n] === "unknown" || i < 0 ? null : at[n].mean[i])), state: states,
  };
}

export function exportCsv(world, params, now) {
  const answer = queryMetric(world, new URLSearchParams({ ...Object.fromEntries(params), points: "200" }), now);
  return `\ufeffmetric,unix_ms,value\r\n${answer.t.map((at, i) => `${answer.metric},${at},${answer.groups[0]?.value[i] ?? ""}`).join("\r\n")}\r\n`;
}

export function storage(world, now) {
  const hour = Math.floor((now - 30 * M) / H) * H;
  const level = (days, keep, bytes, perDay) => ({
    parts: days * 24, files: perDay ? days : Math.ceil(days / 30), bytes, samples: days * 8.64e6, from_unix_ms: hour - days * D, to_unix_ms: hour, keep_ms: keep * D,
  });
  return {
    raw: level(35, 35, 3.3e8, true), five_minutes: level(120, 396, 1.9e8, true), hours: level(120, 1826, 9e7, false), events_keep_ms: 396 * D,
    database: { bytes: 6.1e7, batches: 1_204_331, waiting_batches: 1_820 },
    compaction: world.packingFails === true
      ? { state: "failing", why: "write part raw-20261128.blp: No space left on device", packed_until_unix_ms: hour - 2 * H, last_unix_ms: now - 2 * H, samples: 5e7, parts_written: 140, parts_rewritten: 3, late_hours: 12, files_deleted: 2, bytes_written: 6e7, bytes_given_back: 4e6, due_hours: 72 }
      : { state: "idle", why: null, packed_until_unix_ms: hour, last_unix_ms: now - 20 * M, samples: 5e7, parts_written: 142, parts_rewritten: 3, late_hours: 12, files_deleted: 2, bytes_written: 6e7, bytes_given_back: 4e6, due_hours: 36 },
    damaged: world.packingFails === true
      ? { count: 1, checked_unix_ms: null, items: [{ part: 7, file: "raw-20261127.blp", hour_unix_ms: hour - D, why: "440 bytes at 57 do not agree with their checksum" }] }
      : { count: 0, checked_unix_ms: hour, items: [] },
    disk_free_bytes: 4.1e10, latest: { series: 812, refused: 0, bytes: 90_000 },
  };
}
