// What the made-up organisation's rules make of it: definitions with versions, cells, runs, incidents, cases, messages.  As in world.mjs
// everything is a function of the time; cells know the gaps of world.mjs, so that what did not arrive is unknown here too.

import { gapsOf, HOSTILE, noise } from "./world.mjs";

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;
const WINDOW_MS = { "1m": M, "5m": 5 * M, "1h": H, "1d": D };

// --- definitions ---

const KPI = { metric: null, probe: null, process: null, step: null, where: null, percentile: null, condition: null, unit: "", target: null, good: null, region: "", sites: [] };
const RULE = {
  region: "", sites: [], kpi: null, window: null, op: null, value: null, for: null, completeness: null, wait: null, process: null, limit_ms: null, where: null, after_ms: null,
  channels: [], tell_end: true,
};

function definitions(start) {
  const from = start - 20 * D;
  const one = (id, name, body, enabled = true) => [{ id, name, version: 1, enabled, from_unix_ms: from, author: "admin", created_unix_ms: from, ...body }];
  const again = (versions, change, ago, author) => [{ ...versions[0], ...change, version: versions[0].version + 1, from_unix_ms: start - ago, created_unix_ms: start - ago, author }, ...versions];
  return {
    processes: [
      one("orders", "订单处理", { steps: ["review", "picking", "shipping"], done: 'status = "completed"' }),
      one("default", "default", { steps: [], done: null }),
      again(one("returns", "退货处理", { steps: ["receive", "check", "refund"], done: null }), { steps: ["receive", "check", "approve", "refund"] }, 3 * D, "li.na"),
      one("hostile", HOSTILE, { steps: [HOSTILE, "review"], done: `status = "${HOSTILE.replaceAll('"', "'")}"` }, false),
    ],
    kpis: [
      again(one("api-failure-rate", "核心接口失败率", { ...KPI, source: "probe", metric: "probe_up", probe: "orders-api", function: "share", condition: "value = 0", resolution: "1m", unit: "%", target: 3, good: "low" }), { target: 2 }, 6 * D, "li.na"),
      one("order-review-p90", "订单审核时长 P90", { ...KPI, source: "step", process: "orders", step: "review", function: "percentile", percentile: 90, resolution: "5m", unit: "ms", target: 10 * M, good: "low" }),
      one("order-duration", "订单平均处理时长", { ...KPI, source: "case", process: "orders", function: "mean", resolution: "1h", unit: "ms", target: 25 * M, good: "low" }),
      one("orders-finished", "完成订单数", { ...KPI, source: "case", process: "orders", where: 'status = "completed"', function: "count", resolution: "1h", unit: "单" }),
      one("cpu-mean", "Mean CPU use of stores", { ...KPI, source: "series", metric: "cpu_used_pct", function: "mean", resolution: "5m", unit: "%", target: 80, good: "low", region: "east" }),
      one("hostile", HOSTILE, { ...KPI, source: "series", metric: HOSTILE, function: "max", resolution: "1d", unit: "<b>x</b>", where: HOSTILE, sites: ["hostile"] }, false),
    ],
    rules: [
      again(one("r2-api-failures", "核心接口失败率过高", { ...RULE, kind: "threshold", severity: "critical", kpi: "api-failure-rate", window: "1m", op: ">", value: 5, for: 5, completeness: 0.8, wait: 2, channels: ["ops-mail", "duty-hook"] }), { value: 2 }, 6 * D, "li.na"),
      one("r1-order-overdue", "订单超时未完成", { ...RULE, kind: "case_open", severity: "warning", process: "orders", limit_ms: 30 * M, where: 'status <> "completed"', channels: ["ops-mail"] }),
      one("silent", "网点设备无数据", { ...RULE, kind: "no_data", severity: "info", after_ms: 10 * M, region: "west", channels: [], tell_end: false }),
      one("slow-review", "Order review too slow", { ...RULE, kind: "threshold", severity: "warning", kpi: "order-review-p90", window: "5m", op: ">", value: 10 * M, for: 3, completeness: 0.8, wait: 2, sites: ["shanghai-xuhui", "beijing-wangfujing"], channels: ["ops-mail"] }, false),
    ],
    channels: [
      one("ops-mail", "运维值班邮箱", { kind: "email", language: "zh-CN", to: ["ops@example.com", "duty@example.com"], url: null, has_secret: false }),
      one("duty-hook", "Duty webhook", { kind: "webhook", language: "en", to: [], url: "https://hooks.example.com/branchline", has_secret: true }),
      again(one("region-mail", "华东区域经理", { kind: "email", language: "zh-CN", to: ["east@example.com"], url: null, has_secret: false }), { enabled: false }, 2 * D, "admin"),
    ],
  };
}

// --- cells ---

function isAway(site, kpi) {
  const inRegion = kpi.region !== "" && (site.region === kpi.region || site.region.startsWith(`${kpi.region}/`));
  return !(kpi.region === "" && kpi.sites.length === 0) && !inRegion && !kpi.sites.includes(site.id);
}

function overlap(a, b, c, d) {
  return Math.max(0, Math.min(b, d) - Math.max(a, c));
}

function partsOf(world, site, from, to, now) {
  return world.devices.filter((d) => d.site === site && !d.retired && d.state !== "never").map((d) => {
    const gaps = gapsOf(world, d, now);
    const missing = gaps.reduce((sum, g) => sum + overlap(from, to, g.from_unix_ms, g.to_unix_ms), 0);
    const gone = gaps.filter((g) => g.reason !== "not_arrived").reduce((sum, g) => sum + overlap(from, to, g.from_unix_ms, g.to_unix_ms), 0);
    return { device: d.id, version: 1, expected_ms: to - from, covered_ms: Math.max(0, to - from - missing), gone_ms: Math.min(gone, to - from) };
  });
}

function isFailing(world, site, t) {
  const kind = world.kinds.get(site);
  return kind === "down" && (t >= world.startMs - 17 * M || (t >= world.startMs - 3 * H && t < world.startMs - 3 * H + 12 * M));
}

function valueOf(world, kpi, site, begin, window) {
  const r = noise(`${kpi.id}${site}`, Math.floor(begin / M));
  const day = 0.5 + 0.5 * Math.sin(((begin % D) / D) * 2 * Math.PI - 2);
  switch (kpi.id) {
    case "api-failure-rate": return isFailing(world, site, begin) ? 4.5 + 5 * r : r > 0.94 ? 2.4 : 1.4 * r;
    case "order-review-p90": return r < 0.12 ? null : (3 + 5 * r + 2 * day) * M;
    case "order-duration": return (16 + 7 * r + 5 * day) * M;
    case "orders-finished": return Math.round((4 + 22 * day + 6 * r) * Math.max(1, WINDOW_MS[window] / H));
    case "cpu-mean": return 30 + 30 * day + 12 * r;
    default: return 10 * r;
  }
}

function cell(world, kpi, site, window, begin, now) {
  const end = begin + WINDOW_MS[window];
  const parts = partsOf(world, site, begin, end, now);
  const expected = parts.reduce((sum, p) => sum + p.expected_ms, 0);
  const covered = parts.reduce((sum, p) => sum + p.covered_ms, 0);
  const gone = parts.reduce((sum, p) => sum + p.gone_ms, 0);
  const completeness = expected === 0 ? 0 : covered / expected;
  const value = completeness < 0.05 ? null : valueOf(world, kpi, site, begin, window);
  const isOver = covered + gone >= expected && end <= now - 6 * M;
  return {
    site, begin_unix_ms: begin, end_unix_ms: end, version: kpi.version, value, n: value === null ? 0 : Math.max(1, Math.round((completeness * WINDOW_MS[window]) / (10 * S))), completeness,
    ready: covered === expected && end <= now, state: isOver ? (gone > 0 ? "final_incomplete" : "final") : "provisional",
    revisions: noise(`${site}rev`, begin / M) > 0.97 && isOver ? 1 : 0, known_unix_ms: end + 40 * S,
  };
}

// Days are the site's own; for a picture the offset of a zone today is enough.
function offset(zone, at) {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" }).formatToParts(at);
  const n = (type) => Number(parts.find((p) => p.type === type).value);
  return Date.UTC(n("year"), n("month") - 1, n("day"), n("hour"), n("minute")) - Math.floor(at / M) * M;
}

const kpiOf = (world, id) => world.definitions.kpis.map((v) => v[0]).find((k) => k.id === id);

function siteCells(world, kpi, site, window, from, to, now) {
  const step = WINDOW_MS[window];
  const shift = window === "1h" || window === "1d" ? offset(site.zone, now) : 0;
  const out = [];
  for (let t = Math.ceil((from + shift) / step) * step - shift; t < Math.min(to, now - 30 * S); t += step) {
    out.push(cell(world, kpi, site.id, window, t, now));
  }
  return out;
}

function sitesOf(world, kpi, only) {
  return world.sites.filter((s) => !s.retired && world.kinds.get(s.id) !== "never" && !isAway(s, kpi) && (only === null || s.id === only));
}

export function cells(world, id, q, now) {
  const kpi = kpiOf(world, id);
  const window = q.get("window") ?? kpi.resolution;
  const items = sitesOf(world, kpi, q.get("site")).flatMap((s) => siteCells(world, kpi, s, window, Number(q.get("from")), Number(q.get("to")), now));
  return { items: items.slice(0, Number(q.get("limit") ?? 2000)), next: null, kpi: id, window, unit: kpi.unit };
}

export function latest(world, id, q, now) {
  const kpi = kpiOf(world, id);
  const window = q.get("window") ?? kpi.resolution;
  const items = kpi.enabled ? sitesOf(world, kpi, null).flatMap((s) => siteCells(world, kpi, s, window, now - 8 * WINDOW_MS[window], now, now).filter((c) => c.ready).slice(-1)) : [];
  return { items, next: null, kpi: id, window, unit: kpi.unit };
}

export function parts(world, id, q, now) {
  const kpi = kpiOf(world, id);
  const begin = Number(q.get("begin"));
  const own = cell(world, kpi, q.get("site"), q.get("window"), begin, now);
  const items = partsOf(world, own.site, begin, own.end_unix_ms, now).map((p) => ({ ...p, version: kpi.version, value: p.covered_ms === 0 ? null : own.value, n: p.covered_ms === 0 ? 0 : own.n }));
  const revision = { n: 1, value: own.value === null ? null : own.value * 0.8, completeness: 0.7, state: "final_incomplete", known_unix_ms: own.known_unix_ms, revised_unix_ms: own.known_unix_ms + 20 * M, why: "late data" };
  return { items, revisions: own.revisions > 0 ? [revision] : [] };
}

const OPS = { ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b, "=": (a, b) => a === b, "!=": (a, b) => a !== b };

export function runs(world, id, q, now) {
  const rule = world.definitions.rules.map((v) => v[0]).find((r) => r.id === id);
  const site = world.sites.find((s) => s.id === q.get("site"));
  if (rule.kind !== "threshold" || site === undefined) {
    return { items: [], next: null };
  }
  const items = [];
  for (const c of siteCells(world, kpiOf(world, rule.kpi), site, rule.window, Number(q.get("from")), Number(q.get("to")), now)) {
    const outcome = c.value === null || c.completeness < rule.completeness ? "unknown" : OPS[rule.op](c.value, rule.value) ? "true" : "false";
    const last = items.at(-1);
    const known = outcome === "unknown" ? null : c.value;
    if (last?.outcome === outcome) {
      Object.assign(last, {
        end_unix_ms: c.end_unix_ms, windows: last.windows + 1, completeness: Math.min(last.completeness, c.completeness),
        value_min: known === null ? null : Math.min(last.value_min, known), value_max: known === null ? null : Math.max(last.value_max, known),
      });
    } else {
      items.push({ begin_unix_ms: c.begin_unix_ms, end_unix_ms: c.end_unix_ms, outcome, windows: 1, completeness: c.completeness, value_min: known, value_max: known, version: rule.version });
    }
  }
  return { items, next: null };
}

// --- cases ---

function makeCases(world) {
  const out = [];
  let no = 400;
  for (const s of world.sites.filter((x) => ["shanghai-xuhui", "beijing-wangfujing", "hangzhou-xihu", "hostile"].includes(x.id))) {
    for (let n = 0; n < 18; n++) {
      const r = noise(`${s.id}case`, n);
      const begin = world.startMs - (18 - n) * 9 * M - Math.floor(r * 3 * M);
      const isLong = n === 6 || n === 11;
      const isOpen = n >= 16 || n === 13;
      const lengths = [3 * M + r * 4 * M, 6 * M + r * 6 * M + (isLong ? 24 * M : 0), 4 * M + r * 3 * M];
      const steps = [];
      let at = begin;
      ["review", "picking", "shipping"].forEach((step, i) => {
        const done = at + lengths[i] < world.startMs && !(isOpen && i === 1);
        if (at < world.startMs - S && (i === 0 || steps.at(-1).end_unix_ms !== null)) {
          steps.push({ step, device: world.devices.find((d) => d.site === s.id).id, begin_unix_ms: n === 9 && i === 2 ? null : Math.round(at), end_unix_ms: done ? Math.round(at + lengths[i]) : null, attrs: i === 1 ? { shelf: `B${n}` } : {} });
        }
        at += lengths[i] + 40 * S;
      });
      const isDone = steps.length === 3 && steps[2].end_unix_ms !== null;
      const name = s.id === "hostile" && n === 5 ? HOSTILE : `A-${1200 + no - 400}`;
      const attrs = { owner: n % 3 === 0 ? "li.na" : "王芳", type: n % 4 === 0 ? "express" : "standard", amount: String(Math.round(40 + 400 * r)), ...(name === HOSTILE ? { [HOSTILE]: HOSTILE } : {}) };
      out.push({ no: no++, site: s.id, process: "orders", case: name, status: isDone ? "completed" : steps.at(-1).step, begin_unix_ms: Math.round(begin), end_unix_ms: isDone ? steps[2].end_unix_ms : null, events: steps.reduce((sum, x) => sum + (x.begin_unix_ms === null ? 0 : 1) + (x.end_unix_ms === null ? 0 : 1), 0), attrs, steps });
    }
  }
  return out;
}

const bare = ({ steps: _steps, ...rest }) => rest;

export function listCases(world, q) {
  const n = (key, other) => (q.get(key) === null ? other : Number(q.get(key)));
  const items = world.cases
    .filter((c) => (q.get("site") === null || c.site === q.get("site")) && (q.get("process") === null || c.process === q.get("process")) && (q.get("open") !== "true" || c.end_unix_ms === null))
    .filter((c) => c.begin_unix_ms < n("to", Infinity) && (c.end_unix_ms ?? Infinity) > n("from", 0) && c.no < n("before", Infinity))
    .sort((a, b) => b.no - a.no);
  const limit = n("limit", 100);
  return { items: items.slice(0, limit).map(bare), next: items.length > limit ? String(items[limit - 1].no) : null };
}

export function oneCase(world, no) {
  const c = world.cases.find((x) => x.no === Number(no));
  if (c === undefined) {
    return null;
  }
  const list = c.steps.flatMap((s) => [
    ...(s.begin_unix_ms === null ? [] : [{ unix_ms: s.begin_unix_ms, device: s.device, type: "step.begin", step: s.step, attrs: s.attrs }]),
    ...(s.end_unix_ms === null ? [] : [{ unix_ms: s.end_unix_ms, device: s.device, type: "step.end", step: s.step, attrs: s.step === "shipping" ? { status: "completed" } : {} }]),
  ]).sort((a, b) => a.unix_ms - b.unix_ms);
  return { ...c, event_list: list, incidents: world.incidents.filter((i) => i.explanation.case === c.case && i.site === c.site).map(publicIncident) };
}

// --- incidents and messages ---

function publicIncident({ entries: _entries, case_no: _case, ...rest }) {
  return rest;
}

function makeIncidents(world) {
  const t0 = world.startMs;
  const out = [];
  const put = (id, rule, siteId, begin, end, known, state, notice, more) => {
    const [r] = world.definitions.rules.find((v) => v[0].id === rule);
    const s = world.sites.find((x) => x.id === siteId);
    const entries = [{ n: 1, unix_ms: known, actor: "system", kind: "opened", detail: {} }];
    const add = (kind, at, actor = "system", detail = {}) => entries.push({ n: entries.length + 1, unix_ms: at, actor, kind, detail });
    if (notice === "paged") add("paged", known + S);
    if (notice === "digest") add("digested", known + 2 * M);
    if (end !== null) { add("ended", Math.max(end + M, known)); add("resolved", Math.max(end + M, known), "system", {}); }
    out.push({
      id, rule, rule_name: r.name, rule_version: r.version, site: siteId, site_name: s.name, zone: s.zone, subject: siteId, severity: r.severity, begin_unix_ms: begin, end_unix_ms: end,
      last_true_unix_ms: end ?? t0 - M, known_unix_ms: known, changed_unix_ms: known, state, assignee: null, merged_into: null, notice, version: entries.length, case_no: null, entries, ...more(add),
    });
  };
  const threshold = (begin, unknownMs, n) => ({
    kind: "threshold", kpi: "api-failure-rate", kpi_name: "核心接口失败率", unit: "%", window: "1m", op: ">", threshold: 2, for: 5, worst: 9.38, true_windows: n, unknown_ms: unknownMs,
    windows: Array.from({ length: 5 }, (_, i) => ({ begin_unix_ms: begin + i * M, end_unix_ms: begin + (i + 1) * M, value: 4.5 + 5 * noise(`w${begin % 97}`, i), completeness: 1 })),
  });
  const overdue = (c, end) => ({ kind: "case_open", process: "orders", process_name: "订单处理", case: c.case, limit_ms: 30 * M, begin_unix_ms: c.begin_unix_ms, deadline_unix_ms: c.begin_unix_ms + 30 * M, end_unix_ms: end, status: "picking", attrs: c.attrs });
  const minute = (ms) => Math.ceil(ms / M) * M;
  const breach = minute(t0 - 17 * M);
  const past = minute(t0 - 3 * H);
  for (let n = 0; n < 230; n++) {
    put(100 + n, "r2-api-failures", "suzhou-depot", past - (240 - n) * 2 * H, past - (240 - n) * 2 * H + 14 * M, past - (240 - n) * 2 * H + 6 * M, "resolved", "paged", () => ({ explanation: threshold(past - (240 - n) * 2 * H, 0, 14) }));
  }
  put(501, "r2-api-failures", "hangzhou-xihu", past, past + 12 * M, past + 5 * M + 42 * S, "resolved", "paged", (add) => { add("commented", past + 20 * M, "li.na", { text: "供应商网络抖动，已恢复。\n下周一起复盘。" }); return { explanation: threshold(past, 0, 12) }; });
  const late = world.cases.find((c) => c.site === "shanghai-xuhui" && c.end_unix_ms !== null && c.end_unix_ms - c.begin_unix_ms > 30 * M);
  put(502, "r1-order-overdue", "shanghai-xuhui", late.begin_unix_ms + 30 * M, late.end_unix_ms, late.end_unix_ms + 48 * M, "resolved", "digest", () => ({ subject: `orders/${late.case}`, case_no: late.no, explanation: overdue(late, late.end_unix_ms) }));
  put(503, "silent", "chengdu-chunxi", t0 - 8 * H - 20 * M, null, t0 - 8 * H - 10 * M, "open", "none", () => ({ subject: "chengdu-chunxi-server", explanation: { kind: "no_data", device: "chengdu-chunxi-server", last_unix_ms: t0 - 8 * H - 20 * M, after_ms: 10 * M } }));
  put(504, "r2-api-failures", "guangzhou-tianhe", past + H, past + H + 6 * M, past + H + 7 * M, "withdrawn", "paged", (add) => { add("withdrawn", past + 2 * H); return { explanation: threshold(past + H, 2 * M, 5) }; });
  put(505, "r2-api-failures", "suzhou-depot", breach, null, breach + 5 * M + 31 * S, "acknowledged", "paged", (add) => { add("acknowledged", breach + 7 * M, "admin"); add("assigned", breach + 7 * M, "admin", { user: "li.na" }); return { assignee: "li.na", explanation: threshold(breach, 3 * M, 12) }; });
  put(506, "r2-api-failures", "hangzhou-xihu", breach, null, breach + 5 * M + 44 * S, "open", "paged", (add) => { add("amended", breach + 9 * M, "system", { before: { begin_unix_ms: breach + M, end_unix_ms: null }, after: { begin_unix_ms: breach, end_unix_ms: null } }); return { explanation: threshold(breach, 0, 15) }; });
  put(507, "r2-api-failures", "hangzhou-xihu", breach + 4 * M, breach + 6 * M, breach + 6 * M, "merged", "none", (add) => { add("merged", breach + 8 * M, "system", { into: 506 }); return { merged_into: 506, explanation: threshold(breach + 4 * M, 0, 5) }; });
  const open = world.cases.find((c) => c.site === "beijing-wangfujing" && c.end_unix_ms === null && world.startMs - c.begin_unix_ms > 30 * M);
  put(508, "r1-order-overdue", "beijing-wangfujing", open.begin_unix_ms + 30 * M, null, open.begin_unix_ms + 30 * M + 50 * S, "open", "paged", () => ({ subject: `orders/${open.case}`, case_no: open.no, explanation: overdue(open, null) }));
  const odd = world.cases.find((c) => c.case === HOSTILE);
  put(509, "r1-order-overdue", "hostile", t0 - 6 * M, null, t0 - 5 * M, "open", "undecided", (add) => { add("commented", t0 - 4 * M, HOSTILE, { text: HOSTILE }); return { rule_name: HOSTILE, subject: `orders/${HOSTILE}`, case_no: odd.no, explanation: { ...overdue(odd, null), process_name: HOSTILE, status: HOSTILE } }; });
  return out;
}

function makeMessages(world) {
  const out = [];
  const put = (kind, channel, incident, at, state, answer, more = {}) => {
    const [c] = world.definitions.channels.find((v) => v[0].id === channel);
    const zh = c.language === "zh-CN";
    const subject = incident === null ? (zh ? "[测试] Branchline 渠道测试" : "[Test] Branchline channel test") : `[${zh ? "严重" : "Critical"}] ${incident.site_name}: ${incident.rule_name}`;
    out.push({
      id: out.length + 1, key: `${kind}/${incident?.id ?? 0}/${channel}`, channel, channel_name: c.name, kind, site: incident?.site ?? null, incident: incident?.id ?? null, created_unix_ms: at, due_unix_ms: at,
      sent_unix_ms: state === "sent" ? at + 900 : null, tries: state === "sent" ? 1 : state === "refused" ? 1 : 3, state, answer, subject,
      text: incident === null ? subject : zh ? `网点：${incident.site_name}\n规则：${incident.rule_name}\n核心接口失败率连续 5 个 1 分钟窗口高于 2 %，最差 9.38 %。\n\nhttps://branchline.example/incidents/${incident.id}` : `Site: ${incident.site_name}\nRule: ${incident.rule_name}\nThe failure rate was above 2 % for 5 windows of 1 min in a row; the worst was 9.38 %.\n\nhttps://branchline.example/incidents/${incident.id}`,
      ...more,
    });
  };
  const by = (id) => world.incidents.find((i) => i.id === id);
  for (const id of [501, 505, 506, 508]) {
    const i = by(id);
    put("page", "ops-mail", i, i.known_unix_ms, "sent", "250 2.0.0 Ok: queued as 4XyZ9");
    if (id !== 508) put("page", "duty-hook", i, i.known_unix_ms, id === 505 ? "waiting" : "sent", id === 505 ? "503 Service Unavailable" : "204 No Content", id === 505 ? { due_unix_ms: world.startMs + 4 * M } : {});
  }
  // Enough for a second page.
  for (const i of world.incidents.filter((x) => x.site === "suzhou-depot" && x.id < 300)) {
    put("page", "ops-mail", i, i.known_unix_ms, "sent", `250 2.0.0 Ok: queued as 4Xa${i.id}`);
  }
  put("page", "region-mail", by(506), by(506).known_unix_ms, "waiting", "", { tries: 0, due_unix_ms: world.startMs + 6 * M });
  put("digest", "ops-mail", by(502), by(502).known_unix_ms + 2 * M, "sent", "250 2.0.0 Ok: queued as 4XyZA", { incident: null, subject: "[汇总] 上海徐汇店：1 条历史告警" });
  put("test", "duty-hook", null, world.startMs - 2 * D, "refused", "HTTP 401: {\"error\":\"bad signature\"}");
  put("ended", "ops-mail", by(501), by(501).end_unix_ms + M, "given_up", HOSTILE, { subject: HOSTILE, text: HOSTILE });
  return out.sort((a, b) => a.created_unix_ms - b.created_unix_ms).map((m, i) => ({ ...m, id: i + 1 }));
}

/** Adds to the world what its rules make of it. */
export function addEvaluation(world) {
  world.definitions = definitions(world.startMs);
  world.cases = makeCases(world);
  world.incidents = makeIncidents(world);
  world.messages = makeMessages(world);
}

export function liveCounts(world, site) {
  const of = (severity) => world.incidents.filter((i) => i.site === site && i.severity === severity && (i.state === "open" || i.state === "acknowledged")).length;
  return { info: of("info"), warning: of("warning"), critical: of("critical") };
}

function page(all, q) {
  const before = q.get("before") === null ? Infinity : Number(q.get("before"));
  const limit = Number(q.get("limit") ?? 100);
  const items = all.filter((x) => x.id < before).sort((a, b) => b.id - a.id);
  return { items: items.slice(0, limit), next: items.length > limit ? String(items[limit - 1].id) : null };
}

export function listIncidents(world, q) {
  const states = q.get("state")?.split(",") ?? null;
  const is = (key, value) => q.get(key) === null || q.get(key) === value;
  const found = world.incidents.filter((i) => (states === null || states.includes(i.state)) && is("site", i.site) && is("rule", i.rule) && is("assignee", i.assignee));
  const { items, next } = page(found, q);
  return { items: items.map(publicIncident), next };
}

export function oneIncident(world, id) {
  const i = world.incidents.find((x) => x.id === Number(id));
  return i === undefined ? null : { ...i, messages: world.messages.filter((m) => m.incident === i.id) };
}

export function actOn(world, id, what, body, user, now) {
  const i = world.incidents.find((x) => x.id === Number(id));
  const add = (kind, detail = {}) => i.entries.push({ n: i.entries.length + 1, unix_ms: now, actor: user, kind, detail });
  if (what === "acknowledge") { i.state = "acknowledged"; add("acknowledged"); }
  if (what === "assign") { i.assignee = body.user; add("assigned", { user: body.user ?? "" }); }
  if (what === "resolve") { i.state = "resolved"; add("resolved", { comment: body.comment ?? "" }); }
  if (what === "comments") { add("commented", { text: body.text }); }
  Object.assign(i, { changed_unix_ms: now, version: i.version + 1 });
  return oneIncident(world, id);
}

/** What receivers say is not for viewers, who may not see channels either. */
export function listMessages(world, q, user) {
  const is = (key, value) => q.get(key) === null || q.get(key) === String(value);
  const { items, next } = page(world.messages.filter((m) => is("state", m.state) && is("channel", m.channel) && is("incident", m.incident)), q);
  return { items: user.role === "viewer" ? items.map((m) => ({ ...m, answer: "" })) : items, next };
}

/** The test is on its way; a second and a half later it has an answer. */
export function testChannel(world, id, now) {
  const [c] = world.definitions.channels.find((v) => v[0].id === id);
  const message = {
    id: Math.max(...world.messages.map((m) => m.id)) + 1, key: `test/${now}/${id}`, channel: id, channel_name: c.name, kind: "test", site: null, incident: null, created_unix_ms: now, due_unix_ms: now,
    sent_unix_ms: null, tries: 0, state: "waiting", answer: "", subject: c.language === "en" ? "[Test] Branchline" : "[测试] Branchline", text: "Branchline",
  };
  world.messages.push(message);
  setTimeout(() => Object.assign(message, c.kind === "email" ? { state: "sent", sent_unix_ms: Date.now(), tries: 1, answer: "250 2.0.0 Ok: queued as 4XyZB" } : { state: "refused", tries: 1, answer: "HTTP 401: {\"error\":\"bad signature\"}" }), 1500).unref();
  return { ...message };
}

// --- changing definitions ---

const DEFAULTS = { kpis: KPI, rules: { ...RULE, severity: "warning" }, processes: { steps: [], done: null }, channels: { language: "zh-CN", to: [], url: null, has_secret: false } };

export function createDefinition(world, kind, { secret, ...body }, user, now, slug) {
  const id = body.id || slug(body.name);
  if (world.definitions[kind].some((v) => v[0].id === id)) {
    return null;
  }
  const made = { ...DEFAULTS[kind], id, enabled: true, ...body, version: 1, from_unix_ms: body.from_unix_ms || now, author: user, created_unix_ms: now };
  if (kind === "channels" && body.kind === "webhook") {
    made.has_secret = true;
  }
  world.definitions[kind].push([made]);
  return made.has_secret === true && secret === undefined ? { ...made, secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" } : made;
}

export function changeDefinition(world, kind, id, { secret: _secret, ...body }, user, now) {
  const versions = world.definitions[kind].find((v) => v[0].id === id);
  versions.unshift({ ...versions[0], ...body, version: versions[0].version + 1, from_unix_ms: body.from_unix_ms || now, author: user, created_unix_ms: now });
  return versions[0];
}

// --- expressions: enough of a check to show both outcomes ---

const NAMES = {
  done: [["step", "text", "the step that has just ended"], ["status", "text", "the last attribute status"], ["process", "text", "the process"], ["case", "text", "the case"]],
  series: [["site", "text", "the label site"], ["mount", "text", "a label of disks"]],
  probe: [["probe", "text", "the probe's name"], ["value", "number", "the measured value"]],
  step: [["value", "duration", "how long the step took"], ["step", "text", "the step's name"], ["owner", "text", "an attribute"], ["type", "text", "an attribute"]],
  case: [["value", "duration", "how long the case took"], ["status", "text", "the last attribute status"], ["age", "duration", "time since the case began"], ["owner", "text", "an attribute"], ["amount", "text", "an attribute"]],
};

export function checkExpression({ text, source, use }) {
  const names = (NAMES[use === "done" ? "done" : (source ?? "case")] ?? []).filter(([name]) => use !== "where" || name !== "value").map(([name, type, help]) => ({ name, type, help }));
  const errors = [];
  const outside = text.replace(/"[^"]*"/g, (quoted) => " ".repeat(quoted.length));
  for (const m of outside.matchAll(/[\p{L}_][\p{L}\p{N}_]*/gu)) {
    const known = names.some((n) => n.name === m[0]) || ["and", "or", "not", "true", "false", "null", "min", "h", "s", "ms", "d"].includes(m[0]);
    if (!known) {
      const near = names.find((n) => n.name[0] === m[0][0]);
      errors.push({ column: m.index + 1, expected: "a name that is known here", got: m[0], suggestion: near?.name ?? null });
    }
  }
  if (/[=<>]\s*$/.test(text)) {
    errors.push({ column: text.length + 1, expected: "a value", got: "the end", suggestion: null });
  }
  return { ok: errors.length === 0, errors, names };
}
