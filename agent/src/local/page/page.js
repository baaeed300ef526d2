"use strict";
// The agent's status page. Everything that comes from the agent is put in as text, never as HTML.

const EVERY_MS = 5000;
const ROWS_MAX = 500; // shown at a time; the filter leads to the others
let words = null;
let now = null; // the last answer
let answered = 0; // when it came
let lost = false;
let zh = /^zh/i.test(navigator.language || "");

const id = (name) => document.getElementById(name);

function word(key) {
	const pair = words && words.words[key];
	return pair ? pair[zh ? 1 : 0] : "";
}

const wordOf = (area, name) => word(area + "." + name) || name || "";

function element(tag, text, kind) {
	const e = document.createElement(tag);
	if (text !== undefined) e.textContent = text;
	if (kind) e.className = kind;
	return e;
}

function duration(ms) {
	const s = Math.max(0, Math.round(ms / 1000));
	const unit = zh ? ["秒", "分钟", "小时", "天"] : ["s", "min", "h", "d"];
	if (s < 120) return s + " " + unit[0];
	if (s < 7200) return Math.floor(s / 60) + " " + unit[1];
	if (s < 172800) return Math.floor(s / 3600) + " " + unit[2];
	return Math.floor(s / 86400) + " " + unit[3];
}

const ago = (ms) => duration(ms) + (zh ? "" : " ") + word("page.ago");

function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
	let i = 0;
	while (n >= 1024 && i < units.length - 1) {
		n /= 1024;
		i++;
	}
	return (i === 0 ? n : n.toPrecision(3)) + " " + units[i];
}

function value(s) {
	if (s.value === null) return wordOf("value", s.unknown);
	if (typeof s.value !== "number") return s.value;
	if (s.unit === "bytes") return bytes(s.value);
	const pair = words && words.units[s.unit];
	const unit = pair ? pair[zh ? 1 : 0] : s.unit;
	return s.value.toLocaleString(zh ? "zh-CN" : "en", { maximumFractionDigits: 3 }) + (unit ? " " + unit : "");
}

const labelsOf = (s) => Object.entries(s.labels).map(([k, v]) => k + "=" + v).join(" ");

function heading(columns) {
	const head = element("thead");
	const row = head.appendChild(element("tr"));
	for (const [key, kind] of columns) {
		const cell = row.appendChild(element("th", word("col." + key), kind));
		cell.scope = "col";
	}
	return head;
}

function fill(table, columns, rows, empty) {
	const body = element("tbody");
	for (const cells of rows) {
		const row = body.appendChild(element("tr"));
		for (const cell of cells) row.appendChild(cell);
	}
	if (rows.length === 0) {
		const cell = body.appendChild(element("tr")).appendChild(element("td", empty, "quiet"));
		cell.colSpan = columns.length;
	}
	table.replaceChildren(heading(columns), body);
}

function drawHealth(st) {
	const health = st.health || {};
	const good = health.state === "healthy";
	const list = element("ul");
	for (const p of health.problems || []) {
		// The agent says it in English; in Chinese its words come behind ours.
		const item = list.appendChild(element("li", zh ? wordOf("health", p.code) + " " : p.text));
		if (zh) item.appendChild(element("small", p.text, "quiet"));
	}
	const state = element("p");
	state.appendChild(element("strong", wordOf("health", health.state), good ? "good" : "bad"));
	id("health").replaceChildren(state, list);
}

function tile(head, lines, kind) {
	const box = element("div", undefined, "tile");
	box.appendChild(element("h3", word("head." + head)));
	lines.filter((l) => l).forEach((line, i) => box.appendChild(element("p", line, i === 0 ? kind : "quiet")));
	return box;
}

function drawTiles(st, at) {
	const link = st.link || {}, spool = st.spool || {}, clock = st.clock || {}, sampling = st.sampling || {};
	const streams = Object.values(spool.streams || {});
	const waiting = streams.reduce((n, s) => n + s.waiting_batches, 0);
	const oldest = Math.min(...streams.map((s) => s.oldest_waiting_unix_ms || Infinity));
	const receipt = (st.uplink || {}).last_receipt_unix_ms;
	const percent = (zh ? "" : " ") + "%";
	id("tiles").replaceChildren(
		tile("link", [
			wordOf("link", link.state) + (link.since_unix_ms ? " · " + duration(at - link.since_unix_ms) : ""),
			link.host + ":" + link.port,
			link.retry_in_ms != null && word("link.retry") + " " + duration(link.retry_in_ms),
			receipt && word("link.receipt") + " " + ago(at - receipt),
		], link.state === "up" ? "good" : "bad"),
		tile("spool", [
			waiting + " " + word("spool.batches") + " " + word("spool.waiting"),
			isFinite(oldest) && waiting > 0 && word("spool.oldest") + " " + duration(at - oldest),
			spool.max_bytes && bytes(spool.file_bytes) + " " + word("spool.of") + " " + bytes(spool.max_bytes) +
				" (" + Math.round(100 * spool.file_bytes / spool.max_bytes) + percent + ")",
			wordOf("spool", spool.disk),
		], spool.disk === "ok" ? "" : "bad"),
		tile("clock", [
			word(clock.trusted ? "clock.known" : "clock.unknown") +
				(clock.uncertainty_ms != null ? " ± " + clock.uncertainty_ms + " ms" : ""),
			clock.trusted && clock.source,
			new Date(at).toLocaleString(zh ? "zh-CN" : "en-GB"),
		], clock.trusted ? "" : "warn"),
		tile("sampling", [
			now.series.length + " " + word("limit.series") + " · " + word("limit.every") + " " + duration(sampling.interval_ms),
			sampling.series + " " + word("spool.of") + " " + sampling.max_series +
				(sampling.refused_series > 0 ? " · " + sampling.refused_series + " " + word("limit.refused") : ""),
			now.old_series > 0 && now.old_series + " " + word("page.old"),
		], sampling.refused_series > 0 ? "warn" : ""),
		...inletTile(Object.entries(st.inlets || {}).filter(([, i]) => i.state !== "off")));
}

function inletTile(inlets) {
	const sum = (counts) => Object.values(counts || {}).reduce((n, c) => n + c, 0);
	const bad = ([, i]) => i.state !== "open" || i.lost > 0 || !!i.problem;
	const line = ([name, i]) => name + ": " + (i.state === "open"
		? (i.counts.accepted || 0) + " " + word("inlet.accepted") : word("inlet." + i.state)) +
		(sum(i.refused) > 0 ? " · " + sum(i.refused) + " " + word("limit.refused") : "") +
		(i.lost > 0 ? " · " + i.lost + " " + word("inlet.lost") : "") + (i.problem ? " · " + i.problem : "");
	// The first line has the tile's colour: one that needs somebody stands there.
	inlets.sort((a, b) => bad(b) - bad(a));
	return inlets.length === 0 ? [] : [tile("inlets", inlets.map(line), bad(inlets[0]) ? "warn" : "")];
}

function drawProbes(at) {
	const kinds = { up: "good", down: "bad", unknown: "warn", waiting: "quiet" };
	const columns = [["name"], ["kind"], ["state"], ["since"], ["took", "number"], ["why"]];
	id("probes-head").textContent = word("head.probes");
	fill(id("probes"), columns, now.probes.map((p) => {
		const why = element("td", p.reason && p.reason !== "ok" ? wordOf("reason", p.reason) : "");
		if (p.detail) why.appendChild(element("small", p.detail));
		return [element("td", p.name), element("td", p.kind, "short"),
			element("td", wordOf("probe", p.state), "short " + kinds[p.state]),
			element("td", p.since_unix_ms ? duration(at - p.since_unix_ms) : "", "short"),
			element("td", p.total_ms != null ? p.total_ms.toFixed(1) + " ms" : "", "number"), why];
	}), word("page.no_probes"));
}

function drawSeries(at) {
	const wanted = id("filter").value.trim().toLowerCase().split(/\s+/);
	const about = (s) => {
		const pair = words && words.metrics[s.name];
		return pair ? pair[zh ? 1 : 0] : "";
	};
	const found = now.series.filter((s) => {
		const text = (s.name + " " + labelsOf(s) + " " + about(s)).toLowerCase();
		return wanted.every((w) => text.includes(w));
	});
	const rows = found.slice(0, ROWS_MAX).map((s) => {
		const name = element("td", s.name);
		name.appendChild(element("small", about(s)));
		return [name, element("td", labelsOf(s)), element("td", value(s), s.value === null ? "number warn" : "number"),
			element("td", duration(at - s.unix_ms), "number quiet")];
	});
	id("series-head").textContent = word("head.series");
	id("filter").placeholder = word("page.filter");
	id("filter").setAttribute("aria-label", word("page.filter"));
	id("count").textContent = rows.length + " " + word("spool.of") + " " + now.series.length;
	fill(id("series"), [["name"], ["labels"], ["value", "number"], ["age", "number"]], rows,
		word(now.series.length === 0 ? "page.no_series" : "page.no_match"));
}

function draw() {
	document.documentElement.lang = zh ? "zh-CN" : "en";
	id("language").textContent = zh ? "English" : "中文";
	if (!words) return;
	document.title = id("title").textContent = word("page.title");
	id("metrics-note").textContent = word("page.metrics");
	id("lost").hidden = !lost;
	if (!now) {
		id("who").textContent = word("page.loading");
		id("lost").hidden = true;
		return;
	}
	const st = now.status, at = st.now_unix_ms;
	const clock = new Date(at).toLocaleTimeString(zh ? "zh-CN" : "en-GB");
	id("lost").textContent = word("page.lost") + " " + clock + " (" + ago(Date.now() - answered) + ")";
	id("who").textContent = st.device + " · " + word("page.site") + " " + st.site + " · " + st.software;
	id("updated").textContent = word("page.updated") + " " + clock;
	drawHealth(st);
	drawTiles(st, at);
	drawProbes(at);
	drawSeries(at);
}

async function json(path) {
	const answer = await fetch(path, { signal: AbortSignal.timeout(15000) });
	if (!answer.ok) throw new Error(String(answer.status));
	return answer.json();
}

async function look() {
	try {
		if (!words) words = await json("/words.json");
		now = await json("/now.json");
		answered = Date.now();
		lost = false;
	} catch (e) {
		lost = true;
	}
	draw();
	setTimeout(whenSeen, EVERY_MS);
}

// Nobody is asked for a page that nobody sees.
function whenSeen() {
	if (document.hidden) document.addEventListener("visibilitychange", whenSeen, { once: true });
	else look();
}

id("language").addEventListener("click", () => {
	zh = !zh;
	draw();
});
id("filter").addEventListener("input", () => now && drawSeries(now.status.now_unix_ms));
look();
