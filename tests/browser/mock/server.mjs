// A stand-in for the collector: serves the built web app and the made-up world over the same paths, with the same
// Content-Security-Policy.  For the browser test and for working on the app; it keeps nothing and checks little.
// Alone: node server.mjs [PORT]   (user admin, password correct-horse)

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { randomBytes } from "node:crypto";

import * as evaluation from "./evaluation.mjs";
import { identityOf, linkHistory, reportOf, usageOf } from "./link.mjs";
import { catalogue, exportCsv, latestOf, listMetrics, metricLabels, queryMetric, storage } from "./metrics.mjs";
import { events, gapLedger, gapTotals, listDevices, makeWorld, overview, querySeries, requeue, requeueState, setAside, status, unexplained } from "./world.mjs";

const DIST = fileURLToPath(new URL("../../../collector/web/dist", import.meta.url));
const PASSWORD = "correct-horse";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const HEADERS = {
  "Content-Security-Policy":
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

function send(res, code, body, headers = {}) {
  res.writeHead(code, { ...HEADERS, "Cache-Control": "no-store", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers });
  res.end(body === undefined ? undefined : JSON.stringify(body));
}

function problem(res, status, code, detail, headers = {}) {
  send(res, status, { type: "about:blank", title: code, status, code, detail }, { ...headers, "Content-Type": "application/problem+json" });
}

function file(req, res, path) {
  let name = normalize(join(DIST, path));
  if (!name.startsWith(DIST) || !existsSync(name) || statSync(name).isDirectory()) {
    name = join(DIST, "index.html");
  }
  const accepts = String(req.headers["accept-encoding"] ?? "");
  const packed = [["br", ".br"], ["gzip", ".gz"]].find(([word, end]) => accepts.includes(word) && existsSync(name + end));
  const headers = { ...HEADERS, "Content-Type": TYPES[extname(name)] ?? "application/octet-stream", Vary: "Accept-Encoding" };
  headers["Cache-Control"] = name.includes("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
  res.writeHead(200, packed === undefined ? headers : { ...headers, "Content-Encoding": packed[0] });
  createReadStream(packed === undefined ? name : name + packed[1]).pipe(res);
}

async function readBody(req) {
  let text = "";
  for await (const chunk of req) {
    text += chunk;
  }
  return text === "" ? {} : JSON.parse(text);
}

function slug(text) {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60) || `site-${Date.now() % 100000}`;
}

function me(user) {
  const { disabled: _disabled, ...rest } = user;
  return rest;
}

const KINDS = "(kpis|rules|processes|channels)";

function found(res, answer, what) {
  return answer === null || answer === undefined ? problem(res, 404, "not_found", `no ${what}`) : send(res, 200, answer);
}

function oneDevice(world, id, now) {
  const dev = world.devices.find((d) => d.id === id);
  return dev === undefined ? null : { ...listDevices(world, now).find((d) => d.id === id), report: reportOf(dev, now), identity_conflict: identityOf(dev, now) };
}

const isReader = (user) => user.role === "viewer";

/** Viewers do not see channels; definitions are changed by administrators only. */
function isForbidden(user, method, path) {
  const isChannel = path === "/channels" || path.startsWith("/channels/");
  const isDefinition = new RegExp(`^/${KINDS}(/|$)`).test(path);
  return (isChannel && isReader(user)) || (isDefinition && method !== "GET" && user.role !== "administrator");
}

/** Every route: [method, pattern, handler(ctx, ...captured)].  `ctx` has world, req, res, url, body, session, now. */
const ROUTES = [
  ["GET", /^\/session$/, ({ res, user, now }) => send(res, 200, { user: me(user), expires_unix_ms: now + 43200000 })],
  ["PATCH", /^\/session$/, ({ res, user, body }) => { user.language = body.language; send(res, 200, me(user)); }],
  ["DELETE", /^\/session$/, ({ res, world, token }) => { world.sessions.delete(token); send(res, 204); }],
  ["POST", /^\/session\/password$/, ({ res, body }) => (body.old === PASSWORD ? send(res, 204) : problem(res, 401, "wrong_credentials", "the old password is not right"))],
  ["GET", /^\/sessions$/, ({ res, world, token }) => send(res, 200, { items: [...world.sessions].map(([t, s]) => ({ id: s.id, created_unix_ms: s.created, last_seen_unix_ms: s.seen, address: "192.0.2.7", user_agent: s.agent, current: t === token })), next: null })],
  ["DELETE", /^\/sessions\/([^/]+)$/, ({ res, world }, id) => { for (const [t, s] of world.sessions) { if (s.id === id) { world.sessions.delete(t); } } send(res, 204); }],
  ["GET", /^\/overview$/, ({ res, world, now }) => send(res, 200, overview(world, now))],
  ["GET", /^\/sites$/, ({ res, world, url }) => send(res, 200, { items: world.sites.filter((s) => !s.retired || url.searchParams.get("retired") === "true"), next: null })],
  ["POST", /^\/sites$/, ({ res, world, body, now }) => {
    const site = { id: slug(body.name), name: body.name, region: body.region ?? "", zone: body.zone ?? "UTC", lat: null, lon: null, tags: body.tags ?? {}, retired: false, part: 3, created_unix_ms: now, version: 1 };
    if (world.sites.some((s) => s.id === site.id)) {
      return problem(res, 409, "exists", `there is a site ${site.id}`);
    }
    world.sites.push(site);
    return send(res, 201, site);
  }],
  ["GET", /^\/sites\/([^/]+)$/, ({ res, world }, id) => { const s = world.sites.find((x) => x.id === id); return s === undefined ? problem(res, 404, "not_found", `no site ${id}`) : send(res, 200, s); }],
  ["PATCH", /^\/sites\/([^/]+)$/, ({ res, req, world, body }, id) => {
    const s = world.sites.find((x) => x.id === id);
    if (req.headers["if-match"] !== `"${s.version}"`) {
      return problem(res, 412, "precondition_failed", "it was changed in the meantime");
    }
    Object.assign(s, body, { version: s.version + 1 });
    return send(res, 200, s);
  }],
  ["GET", /^\/devices$/, ({ res, world, url, now }) => { const site = url.searchParams.get("site"); send(res, 200, { items: listDevices(world, now).filter((d) => (site === null || d.site === site) && (!d.retired || url.searchParams.get("retired") === "true")), next: null }); }],
  ["GET", /^\/devices\/([^/]+)$/, ({ res, world, now }, id) => found(res, oneDevice(world, id, now), id)],
  ["GET", /^\/devices\/([^/]+)\/link$/, ({ res, world, url, now }, id) => {
    const dev = world.devices.find((d) => d.id === id);
    return found(res, dev && linkHistory(world, dev, Number(url.searchParams.get("from")), Number(url.searchParams.get("to")), now), id);
  }],
  ["GET", /^\/devices\/([^/]+)\/usage$/, ({ res, world, now }, id) => { const dev = world.devices.find((d) => d.id === id); return found(res, dev && usageOf(dev, now), id); }],
  ["PATCH", /^\/devices\/([^/]+)$/, ({ res, world, body, now }, id) => { const d = world.devices.find((x) => x.id === id); Object.assign(d, body, { version: d.version + 1, ...(body.retired === true ? { state: "retired" } : {}) }); send(res, 200, listDevices(world, now).find((x) => x.id === id)); }],
  ["POST", /^\/devices\/([^/]+)\/move$/, ({ res, world, body }, id) => { world.devices.find((x) => x.id === id).site = body.site; send(res, 200, { note: null }); }],
  ["GET", /^\/devices\/([^/]+)\/series$/, ({ res, world, url }, id) => url.search !== "" ? problem(res, 422, "invalid_field", "series takes no parameters") : send(res, 200, { items: world.series.get(id) ?? [], next: null })],
  ["GET", /^\/devices\/([^/]+)\/events$/, ({ res, world, url, now }, id) => send(res, 200, events(world, world.devices.find((d) => d.id === id), Number(url.searchParams.get("from")), Number(url.searchParams.get("to")), now))],
  ["GET", /^\/query$/, ({ res, world, url, now }) => {
    const n = (key) => Number(url.searchParams.get(key));
    if ((n("to") - n("from")) / n("step") > 5000) {
      return problem(res, 422, "too_many_points", "more than 5000 steps");
    }
    return send(res, 200, querySeries(world, url.searchParams.get("series").split(",").map(Number), n("from"), n("to"), n("step"), now));
  }],
  ["GET", /^\/metrics$/, ({ res, world }) => send(res, 200, listMetrics(world))],
  ["GET", /^\/metrics\/labels$/, ({ res, world, url }) => send(res, 200, metricLabels(world, url.searchParams.get("metric")))],
  ["GET", /^\/metrics\/catalogue$/, ({ res, world }) => send(res, 200, catalogue(world))],
  ["GET", /^\/metrics\/query$/, ({ res, world, url, now }) => send(res, 200, queryMetric(world, url.searchParams, now))],
  ["GET", /^\/metrics\/latest$/, ({ res, world, url, now }) => send(res, 200, latestOf(world, url.searchParams, now))],
  ["GET", /^\/metrics\/export$/, ({ res, world, url, now }) => {
    res.writeHead(200, { ...HEADERS, "Content-Type": "text/csv; charset=utf-8", "Content-Disposition": "attachment" });
    res.end(exportCsv(world, url.searchParams, now));
  }],
  ["GET", /^\/storage$/, ({ res, world, now }) => send(res, 200, storage(world, now))],
  ["GET", /^\/gaps$/, ({ res, world, now }) => send(res, 200, gapLedger(world, now))],
  ["GET", /^\/gaps\/totals$/, ({ res, world, now, url }) =>
    send(res, 200, gapTotals(world, now, Number(url.searchParams.get("from") ?? 0), Number(url.searchParams.get("to") ?? now), Number(url.searchParams.get("step") ?? 0)))],
  ["GET", /^\/gaps\/unexplained$/, ({ res, world, now }) => send(res, 200, unexplained(world, now))],
  ["GET", /^\/set-aside\/requeue$/, ({ res, world }) => send(res, 200, requeueState(world))],
  ["POST", /^\/set-aside\/requeue$/, ({ res, world, body, user, now }) =>
    user.role === "administrator" ? send(res, 202, requeue(world, body.ids, now)) : problem(res, 403, "forbidden", "administrators only")],
  ["GET", /^\/set-aside$/, ({ res, world, now }) => send(res, 200, setAside(world, now))],
  ["GET", /^\/status$/, ({ res, world, now }) => send(res, 200, status(world, now))],
  ["GET", /^\/people$/, ({ res, world }) => send(res, 200, { items: world.users.filter((u) => !u.disabled).map(({ name, display_name }) => ({ name, display_name })), next: null })],
  ["GET", new RegExp(`^/${KINDS}$`), ({ res, world }, kind) => send(res, 200, { items: world.definitions[kind].map((v) => v[0]), next: null })],
  ["GET", new RegExp(`^/${KINDS}/([^/]+)$`), ({ res, world }, kind, id) => found(res, world.definitions[kind].find((v) => v[0].id === id)?.[0], id)],
  ["GET", new RegExp(`^/${KINDS}/([^/]+)/versions$`), ({ res, world }, kind, id) => send(res, 200, { items: world.definitions[kind].find((v) => v[0].id === id) ?? [], next: null })],
  ["POST", new RegExp(`^/${KINDS}$`), ({ res, world, body, user, now }, kind) => {
    const made = evaluation.createDefinition(world, kind, body, user.name, now, slug);
    return made === null ? problem(res, 409, "exists", "there is one with this id") : send(res, 201, made);
  }],
  ["PATCH", new RegExp(`^/${KINDS}/([^/]+)$`), ({ res, req, world, body, user, now }, kind, id) => {
    const version = world.definitions[kind].find((v) => v[0].id === id)?.[0].version;
    return req.headers["if-match"] === `"${version}"` ? send(res, 200, evaluation.changeDefinition(world, kind, id, body, user.name, now)) : problem(res, 412, "precondition_failed", "it was changed in the meantime");
  }],
  ["POST", /^\/expressions\/check$/, ({ res, body }) => send(res, 200, evaluation.checkExpression(body))],
  ["GET", /^\/kpis\/([^/]+)\/(cells|latest|parts)$/, ({ res, world, url, now }, id, what) => send(res, 200, evaluation[what](world, id, url.searchParams, now))],
  ["GET", /^\/rules\/([^/]+)\/runs$/, ({ res, world, url, now }, id) => send(res, 200, evaluation.runs(world, id, url.searchParams, now))],
  ["POST", /^\/channels\/([^/]+)\/test$/, ({ res, world, now }, id) => send(res, 202, evaluation.testChannel(world, id, now))],
  ["GET", /^\/incidents$/, ({ res, world, url }) => send(res, 200, evaluation.listIncidents(world, url.searchParams))],
  ["GET", /^\/incidents\/(\d+)$/, ({ res, world }, id) => found(res, evaluation.oneIncident(world, id), id)],
  ["POST", /^\/incidents\/(\d+)\/(acknowledge|assign|resolve|comments)$/, ({ res, world, body, user, now }, id, what) =>
    isReader(user) ? problem(res, 403, "forbidden", "viewers only look") : send(res, 200, evaluation.actOn(world, id, what, body, user.name, now))],
  ["GET", /^\/cases$/, ({ res, world, url }) => send(res, 200, evaluation.listCases(world, url.searchParams))],
  ["GET", /^\/cases\/(\d+)$/, ({ res, world }, no) => found(res, evaluation.oneCase(world, no), no)],
  ["GET", /^\/messages$/, ({ res, world, url, user }) => send(res, 200, evaluation.listMessages(world, url.searchParams, user))],
  ["GET", /^\/users$/, ({ res, world }) => send(res, 200, { items: world.users, next: null })],
  ["POST", /^\/users$/, ({ res, world, body }) => { const u = { language: null, ...body, disabled: false }; world.users.push(u); send(res, 201, { ...u, initial_password: "tidal-copper-91-lamp" }); }],
  ["PATCH", /^\/users\/([^/]+)$/, ({ res, world, body }, name) => { const u = world.users.find((x) => x.name === name); Object.assign(u, body); send(res, 200, u); }],
  ["DELETE", /^\/users\/([^/]+)$/, ({ res, world }, name) => { world.users = world.users.filter((u) => u.name !== name); send(res, 204); }],
];

function signIn(world, req, res, body, now) {
  if (world.blockedUntil > now) {
    return problem(res, 429, "too_many_requests", "too many attempts", { "Retry-After": String(Math.ceil((world.blockedUntil - now) / 1000)) });
  }
  const user = world.users.find((u) => u.name === body.user && !u.disabled);
  if (user === undefined || body.password !== PASSWORD) {
    world.wrong = (world.wrong ?? 0) + 1;
    if (world.wrong % 5 === 0) {
      world.blockedUntil = now + 3000;
    }
    return problem(res, 401, "wrong_credentials", "user or password is not right");
  }
  const token = randomBytes(16).toString("hex");
  world.sessions.set(token, { id: randomBytes(8).toString("hex"), user, created: now, seen: now, agent: String(req.headers["user-agent"] ?? "") });
  const answer = { user: me(user), expires_unix_ms: now + 43200000 };
  return send(res, 200, answer, { "Set-Cookie": `branchline-mock=${token}; Path=/; HttpOnly; SameSite=Strict` });
}

async function api(world, req, res, url) {
  const now = Date.now();
  const path = url.pathname.slice("/api/v1".length);
  const body = await readBody(req);
  if (req.method === "POST" && path === "/session") {
    return signIn(world, req, res, body, now);
  }
  const token = /branchline-mock=([0-9a-f]+)/.exec(req.headers.cookie ?? "")?.[1];
  const session = world.sessions.get(token);
  if (session === undefined) {
    return problem(res, 401, "not_signed_in", "sign in first");
  }
  session.seen = now;
  if (isForbidden(session.user, req.method, path)) {
    return problem(res, 403, "forbidden", "the role does not permit it");
  }
  for (const [method, pattern, handler] of ROUTES) {
    const found = method === req.method ? pattern.exec(path) : null;
    if (found !== null) {
      return handler({ world, req, res, url, body, token, user: session.user, now }, ...found.slice(1).map(decodeURIComponent));
    }
  }
  return problem(res, 404, "not_found", `no ${path}`);
}

// As the collector: these are for machines, and no page may have such an address.
const FOR_MACHINES = /^\/(metrics|livez|readyz)$/;

function answer(world, req, res, url) {
  if (url.pathname.startsWith("/api/v1/")) {
    return api(world, req, res, url);
  }
  if (FOR_MACHINES.test(url.pathname)) {
    res.writeHead(200, { "Content-Type": "text/plain; version=0.0.4" });
    return res.end("# for machines\n");
  }
  return file(req, res, url.pathname);
}

/** Listens on a free port (or the one given) and answers with its address and a function that stops it. */
export async function startMock(port = 0) {
  const world = makeWorld(Date.now());
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? "/", "http://localhost");
    Promise.resolve(answer(world, req, res, url)).catch((e) => problem(res, 500, "internal", String(e)));
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { world, url: `http://localhost:${server.address().port}`, user: "admin", password: PASSWORD, stop: () => { server.closeAllConnections(); server.close(); } };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock(Number(process.argv[2] ?? 0));
  console.log(`mock: ${mock.url}  user ${mock.user}, password ${mock.password}`);
}
