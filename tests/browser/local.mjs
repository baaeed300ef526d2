// Walks through the agent's own page (agent/src/local), in both languages, with names that try to be HTML.
// Environment: BRANCHLINE_URL (http://localhost:PORT), BRANCHLINE_SHOTS. Last line: "N passed, N failed, N skipped".

import { accessibility, Checks, launch, must, PATIENCE_MS, shooter, watch } from "./harness.mjs";

const url = process.env.BRANCHLINE_URL;
const KEY = /\b(page|head|col|health|link|spool|clock|limit|probe|reason|value)\.[a-z_]+\b/;
const checks = new Checks();
const browser = await launch();

async function open(locale, width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, locale, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const watcher = await watch(page);
  await page.clock.install();
  await page.goto(url);
  await page.locator("#series tbody tr").nth(20).waitFor();
  return { context, page, watcher, shot: shooter(page, `local-${locale}-${width}`) };
}

/** Waits until all of them are there: a probe may not have run yet when the page opens. */
async function shows(page, words) {
  await page.waitForFunction((all) => {
    const text = document.body.innerText.toLowerCase();
    return all.every((word) => text.includes(word.toLowerCase()));
  }, words).catch(async (e) => { throw new Error(`not all of ${words.join(", ")} is there (${e.message}):\n${(await page.locator("body").innerText()).slice(0, 600)}`); });
}

const { page, watcher, shot } = await open("en-GB", 1100, "light");

await checks.check("the page shows health, link, queue, probes and values", async () => {
  await shows(page, ["dev-1 · site shop", "needs attention", "no connection can be made", "Queue", "Reports of programs", "steps: 0 taken", "DOWN", "connection refused", "cpu_used_pct", "Share of all processors' time"]);
  const text = await page.locator("body").innerText();
  must(!KEY.test(text), `a key instead of a word: ${text.match(KEY)}`);
  await shot("screen", false);
});

await checks.check("an inlet that is closed is said first among them", async () => {
  const lines = page.locator("#tiles .tile", { hasText: "Reports of programs" }).locator("p");
  must((await lines.first().innerText()).startsWith("http: closed · make the folder of socket "), `first: ${await lines.first().innerText()}`);
  must((await lines.first().getAttribute("class")) === "warn", "it has not the colour of a warning");
  must((await lines.nth(1).innerText()).startsWith("steps: 0 taken"), "the others are not there");
});

await checks.check("names that try to be HTML are text", async () => {
  must((await page.locator("td", { hasText: "<img src=x" }).count()) > 0, "the name is not shown as it is");
  must((await page.locator("img").count()) === 0 && (await page.evaluate(() => window.__xss)) === undefined, "it became HTML");
});

await checks.check("the filter leaves what matches", async () => {
  await page.locator("#filter").fill("cpu_mode mode=idle");
  await page.waitForFunction(() => document.querySelectorAll("#series tbody tr").length === 1);
  await page.locator("#filter").fill("no such thing");
  await page.locator("#series tbody").getByText("No series matches").waitFor();
  await page.locator("#filter").fill("");
});

await checks.check("what is new is shown without a word, and an agent that does not answer is said", async () => {
  await page.route("**/now.json", (route) => route.abort());
  watcher.allow(/now\.json/);
  await page.clock.fastForward(6000);
  await page.locator("#lost").waitFor();
  must((await page.locator("#lost").innerText()).includes("does not answer"), "nothing is said");
  must((await page.locator("#series tbody tr").count()) > 20, "what was known is gone");
  await page.unroute("**/now.json");
  await page.clock.fastForward(6000);
  await page.locator("#lost").waitFor({ state: "hidden" });
});

await checks.check("Chinese at a click", async () => {
  await page.locator("#language").click();
  await shows(page, ["代理程序", "需要关注", "无法建立连接", "队列", "程序上报", "已接收", "故障", "连接被拒绝", "当前数值"]);
  const text = await page.locator("body").innerText();
  must(!KEY.test(text) && (await page.locator("html").getAttribute("lang")) === "zh-CN", "not all of it is Chinese");
});

await checks.check("nothing was complained about", async () => {
  must(watcher.complaints.length === 0, watcher.complaints.join("\n"));
});

await checks.check("it is accessible, in the dark and on a phone", async () => {
  const other = await open("zh-CN", 390, "dark");
  await other.shot("screen", false);
  await other.page.locator("#filter").fill("cpu_mode"); // a few rows are as good as all of them
  const found = await accessibility(other.page);
  must(found.length === 0, found.join("\n"));
  const wide = await other.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  must(wide <= 0, `the page is ${wide} px too wide`);
  await other.context.close();
});

await browser.close();
process.exit(checks.end());
