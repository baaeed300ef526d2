// The part of the walk about metrics over many devices, and about what is stored.

import { must, PATIENCE_MS, visit } from "./harness.mjs";

const WORDS = {
  en: { metric: "Metric", agg: "What of it", group: "Split by", p95: "95 % are at most", site: "Site", newest: "Newest values", exact: /within 1 % of the exact value/, packing: "Packing", rate: /Growth per second/, about: /What cpu_used_pct says/, used: /Share of all processors/ },
  "zh-CN": { metric: "指标", agg: "统计方式", group: "分组", p95: "95 % 不高于", site: "网点", newest: "最新值", exact: /相差不超过 1 %/, packing: "压缩整理", rate: /每秒增量/, about: /cpu_used_pct 的含义/, used: /全部处理器时间/ },
};

async function choose(page, name, text) {
  await page.getByRole("combobox", { name, exact: true }).click();
  await page.keyboard.type(text);
  await page.locator(".ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option", { hasText: text }).first().click();
}

async function overTime(page, tag, language, { target, checks, settled, noOverflow, shot }) {
  const words = WORDS[language];
  await checks.check(`${tag}: a metric is chosen by a part of its name, and asked for percentiles by site`, async () => {
    await visit(page, target.url, "/explore");
    await page.locator(".view-empty").waitFor();
    await choose(page, words.metric, "cpu_used_pct");
    await page.locator(".chart-card canvas").waitFor();
    await page.locator(".about-metric").getByText(words.about).waitFor();
    must((await page.locator(".about-metric span").count()) === 3, "not what it is, its kind and its unit");
    await choose(page, words.agg, words.p95);
    await choose(page, words.group, words.site);
    await page.waitForURL(/agg=p95.*group=site|group=site.*agg=p95/);
    await page.getByText(words.exact).waitFor();
    // A line and a row for each site; before that those of the question before.
    await page.locator(".legend-entry").nth(3).waitFor();
    await page.locator(".ant-table-row, .cards > li").nth(3).waitFor();
    await settled(page);
    await noOverflow(page);
    await shot("metrics");
  });
  await checks.check(`${tag}: a counter is shown as growth, and its file can be had`, async () => {
    await visit(page, target.url, "/explore?metric=net_sent_bytes_total&last=6h");
    await page.getByRole("heading", { name: words.rate }).waitFor();
    const hrefs = await page.locator(".answer-files a").evaluateAll((links) => links.map((a) => a.href));
    must(hrefs.length === 2 && /step=/.test(hrefs[0]) && !/step=/.test(hrefs[1]), `files: ${hrefs}`);
    const csv = await page.evaluate(async (url) => (await fetch(url)).text(), hrefs[0]);
    must(csv.split("\r\n").length > 3, `the file holds: ${csv.slice(0, 80)}`);
    await settled(page);
    await noOverflow(page);
  });
}

async function latest(page, tag, language, { target, checks, settled, noOverflow, shot }) {
  await checks.check(`${tag}: the newest values of a metric, with what is out of date`, async () => {
    await visit(page, target.url, "/explore?metric=cpu_used_pct");
    await page.getByRole("tab", { name: WORDS[language].newest }).click();
    await page.waitForURL(/view=latest/);
    await page.locator(".metric-state").first().waitFor();
    must((await page.locator(".metric-state.is-stale").count()) > 0, "nothing is out of date");
    await settled(page);
    await noOverflow(page);
    await shot("metrics-latest", false);
  });
}

async function stored(page, tag, language, { target, checks, settled, noOverflow, shot }) {
  await checks.check(`${tag}: what is stored, for how long, and how packing goes`, async () => {
    await visit(page, target.url, "/quality");
    const panel = page.locator(".panel").filter({ has: page.locator(".storage-bar") });
    await panel.getByText(WORDS[language].packing, { exact: true }).waitFor();
    must((await panel.locator(".ant-table-row, .cards > li").count()) === 4, "not the four kinds");
    await panel.scrollIntoViewIfNeeded();
    await settled(page);
    await noOverflow(page);
    await shot("storage", false);
  });
}

/** Against the stand-in: another organisation has other metrics. */
export async function metrics(page, tag, language, on) {
  await overTime(page, tag, language, on);
  await latest(page, tag, language, on);
  await stored(page, tag, language, on);
}

/** Against a collector whose agent measures its own machine. */
export async function oneMetric(page, tag, language, { target, checks, settled, noOverflow, shot }) {
  await checks.check(`${tag}: a metric of a real agent over time`, async () => {
    await visit(page, target.url, "/explore?metric=cpu_used_pct&last=1h");
    await page.locator(".plot canvas").first().waitFor({ timeout: PATIENCE_MS });
    await page.locator(".about-metric").getByText(WORDS[language].used).waitFor();
    await page.waitForFunction(() => /\d/.test(document.querySelector(".legend-value")?.textContent ?? ""), undefined, { timeout: PATIENCE_MS });
    await settled(page);
    await noOverflow(page);
    await shot("metric");
  });
  await checks.check(`${tag}: its newest value, of this machine`, async () => {
    await visit(page, target.url, "/explore?metric=cpu_used_pct&view=latest");
    await page.locator(".metric-state").first().waitFor();
    const row = await page.locator(".ant-table-row, .cards > li").first().textContent();
    must(/\d/.test(row), `the row reads: ${row}`);
    await settled(page);
    await noOverflow(page);
    await shot("metric-latest", false);
  });
}
