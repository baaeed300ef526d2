// Walks through the web app as a person would, in a real browser: against the collector named by the environment, or against the
// stand-in of mock/ when none is.  Last line: "N passed, N failed, N skipped".
//
//   BRANCHLINE_URL       https://localhost:8443   (without it: the stand-in)
//   BRANCHLINE_USER, BRANCHLINE_PASSWORD          an administrator
//   BRANCHLINE_SHOTS     folder for screenshots of every page on the way
//   BRANCHLINE_FAILED    folder for screenshots of pages where a check failed
//   BRANCHLINE_CHROMIUM  path of the browser
//   --only PART,...      some of: signin overview site device metrics incident language phone hostile pages telling stale ledger a11y
//   --not PART,...       all but these
//   --each-once          Chinese on a phone and English on a wide screen alone; else each language on the other's screen, too: there
//                        it is looked whether the pages fit, or all the same is done with
//   --all

import { accessibility, Checks, COLOUR_RULES, launch, must, PATIENCE_MS, shooter, visit, watch } from "./harness.mjs";
import { ACCESSIBLE_DEVICES, walkDevice } from "./device.mjs";
import { startMock } from "./mock/server.mjs";
import { metrics as walkMetrics, oneMetric as walkOneMetric } from "./metrics.mjs";
import { accessibleTelling, walkRoles, walkTelling } from "./telling.mjs";

if (process.argv.includes("--help")) {
  console.log("usage: node tests/browser/run.mjs [--only PART,...] [--not PART,...] [--each-once | --all]\nEnvironment: BRANCHLINE_URL BRANCHLINE_USER BRANCHLINE_PASSWORD BRANCHLINE_SHOTS BRANCHLINE_FAILED BRANCHLINE_CHROMIUM");
  process.exit(0);
}
const named = (option) => (process.argv.includes(option) ? process.argv[process.argv.indexOf(option) + 1].split(",") : null);
const only = named("--only");
const left = named("--not") ?? [];
const wants = (part) => (only === null || only.includes(part)) && !left.includes(part);

// Where the stand-in shows names that try to be HTML.
const HOSTILE_PATHS = [
  "/sites/hostile", "/devices/hostile-server", "/sites/hostile?view=cases", "/sites/hostile?view=incidents", "/incidents", "/incidents/509", "/kpis", "/kpis/hostile", "/rules", "/rules/r2-api-failures", "/cases", "/cases/459", "/messages", "/channels",
  "/explore?metric=custom_%3Ci%3Emetric%3C%2Fi%3E&group=label&group_label=x&view=time", "/explore?metric=custom_%3Ci%3Emetric%3C%2Fi%3E&view=latest",
];
const HOSTILE = `<img src=x onerror="window.__xss=1"><script>window.__xss=1</script>`;
const KEY = /\b(overview|state|time|view|site|chart|work|incident|cause|entry|cell|kpi|rule|case|message|channel|process|win|device)\.[a-z_]+[a-z]\b/;
// A real agent's first batch comes within a minute or two.
const DATA_MS = 150_000;

const checks = new Checks();
const mock = process.env.BRANCHLINE_URL ? null : await startMock();
const target = mock ?? { url: process.env.BRANCHLINE_URL.replace(/\/$/, ""), user: process.env.BRANCHLINE_USER ?? "admin", password: process.env.BRANCHLINE_PASSWORD ?? "" };
const browser = await launch();

async function open(locale, width, extra = {}) {
  const context = await browser.newContext({
    viewport: { width, height: width < 500 ? 844 : 900 }, locale, ignoreHTTPSErrors: true, timezoneId: "America/New_York", reducedMotion: "reduce", ...extra,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  checks.page = page;
  const watcher = await watch(page);
  // Asking who is signed in is answered with 401 until somebody is; the browser logs that by itself.
  watcher.allow(/401.*\/api\/v1\/session/);
  return { context, page, watcher, shot: shooter(page, `${locale}-${width}`) };
}

async function signIn(page, user = target.user) {
  await page.goto(target.url);
  await page.locator("#user").fill(user);
  await page.locator("#password").fill(target.password);
  await page.keyboard.press("Enter");
  await page.locator(".header").waitFor();
}

/** The user's own setting wins over the browser's; the walk says which language it wants. */
async function speak(page, language) {
  const name = language === "en" ? "English" : "中文";
  const isNarrow = (page.viewportSize()?.width ?? 1440) < 860;
  if (isNarrow) {
    await page.locator(".header-inner button").first().click();
    await page.locator(".ant-drawer").getByRole("button", { name }).click();
    await page.keyboard.press("Escape");
    await page.locator(".ant-drawer-open").waitFor({ state: "detached" }).catch(() => undefined);
  } else {
    await page.locator(".header").getByRole("button", { name }).click();
  }
  await page.locator(`html[lang="${language}"]`).waitFor();
}

async function settled(page) {
  await page.locator(".view-loading").first().waitFor({ state: "detached" });
  await page.waitForFunction(() => document.querySelectorAll(".bone").length === 0);
}

async function noOverflow(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  must(over <= 0, `the page is ${over} px wider than the screen`);
}

/** The first site that has data, by its link in the overview. */
async function siteWithData(page) {
  const res = await page.request.get(`${target.url}/api/v1/overview`);
  const overview = await res.json();
  const site = overview.sites.find((s) => s.state === "up" && s.name.indexOf("<") < 0) ?? overview.sites.find((s) => s.data_until_unix_ms !== null);
  return site ?? null;
}

/** Waits until a canvas has a coloured line: it is drawn a frame after its numbers are there. */
async function inked(page, selector) {
  await page.waitForFunction((what) => {
    const canvas = document.querySelector(what);
    const pen = canvas.getContext("2d");
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 200 && Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 60) {
        colours.add(`${data[i] >> 4},${data[i + 1] >> 4},${data[i + 2] >> 4}`);
      }
    }
    return colours.size > 0;
  }, selector);
}

// --- signing in ---

if (wants("signin")) {
  const { context, page, watcher, shot } = await open("en", 1440);
  await checks.check("the sign-in page opens without a session", async () => {
    await page.goto(`${target.url}/sites/anything`);
    await page.getByRole("heading", { name: "Branchline" }).waitFor();
    await shot("signin");
  });
  await checks.check("a wrong password is refused in words", async () => {
    await page.locator("#user").fill(target.user);
    await page.locator("#password").fill("not the password");
    await page.keyboard.press("Enter");
    await page.getByText("User name or password is not right.").waitFor();
    must((await page.locator("#password").inputValue()) === "", "the wrong password still stands in the field");
    await shot("signin-wrong");
  });
  await checks.check("the sign-in page speaks Chinese at a click", async () => {
    await page.getByRole("button", { name: "中文" }).click();
    await page.getByText("用户名或密码不正确。").waitFor();
    await page.getByRole("button", { name: "English" }).click();
  });
  await checks.check("too many attempts are told with the wait", async () => {
    if (mock === null) {
      return "skip"; // would lock the real account's bucket for what follows
    }
    watcher.allow(/429.*\/api\/v1\/session/);
    for (let n = 0; n < 5; n++) {
      await page.locator("#password").fill(`wrong ${n}`);
      await page.keyboard.press("Enter");
      await page.locator("button[type=submit]:not([aria-busy])").waitFor();
      await page.waitForFunction(() => document.querySelector("#password").value === "");
    }
    await page.getByText(/Too many attempts. Try again in \d+ s/).waitFor();
    await page.locator("button[type=submit]:enabled").waitFor();
    return undefined;
  });
  await checks.check("the right password opens the page asked for, and the session survives a reload", async () => {
    await page.goto(target.url);
    await signIn(page);
    await page.locator("h1").waitFor();
    await page.reload();
    await page.locator(".header").waitFor();
  });
  await checks.check("signing out ends the session at the collector", async () => {
    // Not while the page still comes up and the menu may be drawn anew under the click.
    await page.locator(".counters").waitFor();
    await settled(page);
    await page.locator(".account-button").click();
    const item = page.getByRole("menuitem", { name: /Sign out|退出登录/ });
    await item.waitFor();
    const answered = page.waitForResponse((r) => r.url().endsWith("/api/v1/session") && r.request().method() === "DELETE");
    // By keyboard: a menu that still unfolds moves away under a click.
    await item.focus();
    await page.keyboard.press("Enter");
    await answered;
    await page.locator("#user").waitFor();
    const res = await page.request.get(`${target.url}/api/v1/session`);
    must(res.status() === 401, `GET /session answers ${res.status()} after signing out`);
  });
  await checks.check("signing in: no complaint of the browser", async () => must(watcher.complaints.length === 0, watcher.complaints.join("\n")));
  await context.close();
}

// --- one pass in each language and width ---

/** `whole`: everything; else whether the pages fit and speak the language. */
async function pass(language, width, whole) {
  const does = (part) => wants(part) && (whole || part === "pages");
  const tag = `${language} ${width}`;
  const { context, page, watcher, shot } = await open(language, width);
  await signIn(page);
  await speak(page, language);
  let site = null;

  if (does("overview")) {
    await checks.check(`${tag}: the overview shows the sites with state and age`, async () => {
      await page.locator(".counters").waitFor();
      await page.waitForFunction(
        async () => (await (await fetch("/api/v1/overview")).json()).sites.some((s) => s.data_until_unix_ms !== null),
        undefined,
        { timeout: DATA_MS, polling: 2_000 },
      );
      await page.locator(".state-badge").first().waitFor();
      await page.locator("time.age").first().waitFor();
      must((await page.locator(".state-badge svg").count()) > 0, "a state without a shape");
      await noOverflow(page);
      await shot("overview");
    });
    await checks.check(`${tag}: an age has its absolute time with zone on focus`, async () => {
      await page.locator("time.age").first().focus();
      await page.getByRole("tooltip").getByText(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S*(UTC|\/)/).waitFor();
    });
    await checks.check(`${tag}: filters live in the URL`, async () => {
      await page.locator(".counter.is-up").click();
      await page.waitForURL(/state=up/);
      await page.goBack().catch(() => undefined);
      await visit(page, target.url, "/?q=no-such-site-anywhere");
      await page.locator(".view-empty").waitFor();
    });
  }

  if (does("site")) {
    await checks.check(`${tag}: a site opens from the overview`, async () => {
      await visit(page, target.url, "/");
      await page.locator(".counters").waitFor();
      site = await siteWithData(page);
      must(site !== null, "no site has data");
      await visit(page, target.url, `/?q=${encodeURIComponent(site.id)}`);
      await page.locator(`a[href="/sites/${site.id}"]`).first().click();
      await page.getByRole("heading", { level: 1, name: site.name }).waitFor();
    });
    await checks.check(`${tag}: its charts show data`, async () => {
      await page.locator(".plot canvas").first().waitFor({ timeout: PATIENCE_MS });
      await page.waitForFunction(() => /\d/.test(document.querySelector(".legend-value")?.textContent ?? ""), undefined, { timeout: PATIENCE_MS });
      await inked(page, ".plot canvas");
      await noOverflow(page);
      await shot("site", false);
    });
    await checks.check(`${tag}: what is not known yet is named`, async () => {
      await page.locator(".legend-gap").first().waitFor();
    });
    await checks.check(`${tag}: charts below load when they come into view`, async () => {
      const before = await page.locator(".plot canvas").count();
      for (let n = 0; n < 12; n++) {
        await page.mouse.wheel(0, 700);
        await page.waitForTimeout(120); // scrolling is what is tested; what it causes is waited for below
      }
      await page.waitForFunction((n) => document.querySelectorAll(".plot canvas").length > n, before);
      await page.evaluate(() => window.scrollTo(0, 0));
      await shot("site-full");
    });
    if (mock !== null && width > 500) {
      await checks.check(`${tag}: what was thinned is marked, in words`, async () => {
        const here = page.url();
        await visit(page, target.url, "/sites/shanghai-xuhui?last=7d");
        await page.locator(".legend-gap .swatch.is-thinned").first().waitFor();
        const words = await page.locator(".legend-gap:has(.is-thinned)").first().textContent();
        must(/Thinned|已抽稀/.test(words) && /\d/.test(words), `it says only "${words}"`);
        await shot("site-thinned", false);
        await visit(page, target.url, here.slice(target.url.length));
        await page.locator(".plot canvas").first().waitFor();
      });
    }
    await checks.check(`${tag}: the range goes into the URL, and dragging zooms`, async () => {
      await page.locator(".ant-segmented-item").nth(2).click();
      await page.waitForURL(/last=6h/);
      const plot = page.locator(".plot .u-over").first();
      await plot.scrollIntoViewIfNeeded();
      const box = await plot.boundingBox();
      await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.7, box.y + 60, { steps: 6 });
      await page.mouse.up();
      await page.waitForURL(/from=\d+&to=\d+/);
      await shot("site-zoomed", false);
      await page.goBack();
      await page.waitForURL(/last=6h/);
    });
  }

  if (does("pages")) {
    const pages = [["fleet", "/fleet", ".card-table, .cards"], ["devices", "/fleet/devices", ".card-table, .cards"], ["quality", "/quality", ".figures"], ["account", "/account", ".sessions"], ["users", "/users", ".card-table, .cards"],
      ["metrics", "/explore", "h1"], ...["incidents", "cases", "messages", "kpis", "rules", "processes", "channels"].map((name) => [name, `/${name}`, "h1"])];
    for (const [name, path, sign] of pages) {
      await checks.check(`${tag}: ${name} opens`, async () => {
        // Once as an address that is typed, then as links.
        await (whole && language === "en" ? page.goto(target.url + path) : visit(page, target.url, path));
        await page.locator(sign).first().waitFor();
        await settled(page);
        await noOverflow(page);
        must(!KEY.test(await page.evaluate(() => document.body.innerText)), "a catalogue key is shown as text");
        await shot(name);
      });
    }
    await checks.check(`${tag}: adding a device is explained with commands to copy`, async () => {
      await visit(page, target.url, "/fleet/devices");
      await page.getByRole("button", { name: /Add a device|添加设备/ }).click();
      await page.locator("#how-name").fill("it's a till");
      await page.getByText("'it'\\''s a till'").waitFor();
      await page.getByText(/branchline-agent setup/).waitFor();
      await shot("add-device", false);
      await page.keyboard.press("Escape");
    });
  }

  if (does("device") && mock !== null) {
    watcher.allow(/404.*\/api\/v1\/devices\/no-such-device/);
    await walkDevice(page, tag, language, { target, checks, settled, noOverflow, shot });
  }

  if (does("metrics")) {
    const walk = mock === null ? walkOneMetric : walkMetrics;
    await walk(page, tag, language, { target, checks, settled, noOverflow, shot });
  }

  if (does("incident")) {
    const live = (await (await page.request.get(`${target.url}/api/v1/incidents?state=open,acknowledged`)).json()).items;
    const incident = live.find((i) => i.explanation.kind === "threshold" && i.state === "open");
    await checks.check(`${tag}: from the overview to the cause of an incident`, async () => {
      if (incident === undefined) {
        return "skip";
      }
      await visit(page, target.url, `/?q=${encodeURIComponent(incident.site)}`);
      await page.locator(`a.incident-counts[href="/incidents?site=${incident.site}"]`).first().click();
      await page.locator(`a[href="/incidents/${incident.id}"]`).first().click();
      await page.getByRole("heading", { level: 1, name: incident.rule_name }).waitFor();
      const cause = await page.locator(".cause").innerText();
      must(cause.includes(incident.explanation.kpi_name) && /\d/.test(cause), `the cause reads: ${cause}`);
      must((language === "en" ? /in a row|for 1 window/ : /连续 \d+ 个/).test(cause), `the cause reads: ${cause}`);
      // A level line has no height, which counts as hidden.
      await page.locator(".cc-threshold").first().waitFor({ state: "attached" });
      await page.locator(".cc-span").first().waitFor();
      must((await page.locator("svg[role=img] .cc-line.is-final").first().getAttribute("d")).length > 10, "no line around the incident");
      await page.getByText(language === "en" ? /Detected at the site \S+, known here/ : /网点于 \S+ 已可判定，中心于/).waitFor();
      await noOverflow(page);
      await shot("incident");
      return undefined;
    });
    await checks.check(`${tag}: why the rule fired, and from what`, async () => {
      if (incident === undefined) {
        return "skip";
      }
      await visit(page, target.url, `/rules/${incident.rule}?site=${incident.site}`);
      await page.locator(".run-segment.is-true").first().waitFor();
      await page.locator(".runs").getByText(language === "en" ? /enough for an incident/ : /足以产生告警/).first().waitFor();
      await noOverflow(page);
      await shot("rule");
      await visit(page, target.url, `/kpis/${incident.explanation.kpi}?site=${incident.site}`);
      await page.locator("svg[role=img] .cc-complete").first().waitFor();
      await page.getByRole("button", { name: language === "en" ? /Who/ : /各设备贡献|缺了谁/ }).first().click();
      await page.locator(".ant-drawer").locator(".card-table, .cards").first().waitFor();
      await page.keyboard.press("Escape");
      await shot("kpi");
      return undefined;
    });
    await checks.check(`${tag}: a site's cases, and the steps of one`, async () => {
      const { items } = await (await page.request.get(`${target.url}/api/v1/cases?limit=1`)).json();
      if (items.length === 0) {
        return "skip";
      }
      await visit(page, target.url, `/sites/${items[0].site}?view=cases`);
      await page.locator(".lane-bar").first().waitFor();
      await noOverflow(page);
      await shot("site-cases");
      await visit(page, target.url, `/cases/${items[0].no}`);
      await page.locator(".lanes.is-steps .lane-bar").first().waitFor();
      await noOverflow(page);
      await shot("case");
      return undefined;
    });
  }

  if (does("language")) {
    await checks.check(`${tag}: the language switches at run time and no key shows through`, async () => {
      const other = language === "en" ? "zh-CN" : "en";
      await visit(page, target.url, "/");
      await page.locator(".counters").waitFor();
      await speak(page, other);
      await page.getByRole("heading", { level: 1, name: other === "en" ? "Overview" : "总览" }).waitFor();
      await speak(page, language);
      await page.getByRole("heading", { level: 1, name: language === "en" ? "Overview" : "总览" }).waitFor();
      const text = await page.evaluate(() => document.body.innerText);
      must(!KEY.test(text), "a catalogue key is shown as text");
    });
  }

  await checks.check(`${tag}: no complaint of the browser`, async () => must(watcher.complaints.length === 0, watcher.complaints.join("\n")));
  await context.close();
}

const ONCE = [["en", 1440], ["zh-CN", 390]];
const CROSSED = process.argv.includes("--each-once") ? [] : [["zh-CN", 1440], ["en", 390]];
const PASSES = process.argv.includes("--all") ? [...ONCE, ...CROSSED] : ONCE;
if (["overview", "site", "device", "metrics", "incident", "pages", "language", "phone"].some(wants)) {
  for (const [language, width] of [...ONCE, ...CROSSED]) {
    await pass(language, width, PASSES.some(([l, w]) => l === language && w === width));
  }
}

// --- what is sent, where to, and about what; against the stand-in only, since it writes messages and definitions ---

if (wants("telling") && mock !== null) {
  for (const [language, width] of PASSES) {
    const tag = `${language} ${width}`;
    const { context, page, watcher, shot } = await open(language, width);
    await signIn(page);
    await speak(page, language);
    await walkTelling(page, tag, language, { target, checks, settled, noOverflow, shot });
    await checks.check(`${tag}, telling: no complaint of the browser`, async () => must(watcher.complaints.length === 0, watcher.complaints.join("\n")));
    await context.close();
  }
  for (const [user, role] of [["li.na", "operator"], ["viewer", "viewer"]]) {
    const { context, page, watcher } = await open("en", 1440);
    watcher.allow(/403.*\/api\/v1\/channels/);
    await signIn(page, user);
    await walkRoles(page, role, { target, checks, settled });
    await checks.check(`${role}: no complaint of the browser`, async () => must(watcher.complaints.length === 0, watcher.complaints.join("\n")));
    await context.close();
  }
}

// --- what an operator does about an incident, and a viewer cannot ---

if (wants("incident") && mock !== null) {
  const { context, page, watcher, shot } = await open("en", 1440);
  await signIn(page);
  await speak(page, "en");
  await checks.check("incident: it is acknowledged, given to somebody, commented and resolved, and the history says so", async () => {
    await visit(page, target.url, "/incidents/506");
    await page.getByRole("button", { name: "Acknowledge" }).click();
    await page.locator(".entries").getByText("acknowledged it").waitFor();
    await page.getByRole("button", { name: "Assign" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Assign" }).click();
    await page.locator(".entries").getByText(/gave it to/).waitFor();
    await page.getByRole("textbox", { name: "Comment" }).fill(HOSTILE);
    await page.getByRole("button", { name: "Comment" }).click();
    await page.locator(".entry-said").getByText(HOSTILE).waitFor();
    must(!(await page.evaluate(() => "__xss" in window)), "a comment was executed as script");
    await page.getByRole("button", { name: "Resolve" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Resolve" }).click();
    await page.locator(".entries").getByText("resolved it").waitFor();
    await shot("incident-handled");
  });
  await checks.check("incident: a rule is switched off and on again, each as a version", async () => {
    await visit(page, target.url, "/rules/r1-order-overdue");
    await page.getByRole("switch").first().click();
    await page.getByText("Version 2", { exact: true }).waitFor();
    await page.getByRole("switch").first().click();
    await page.getByText("Version 3", { exact: true }).waitFor();
  });
  await checks.check("incident: a KPI is built; its expression is checked while it is typed", async () => {
    await visit(page, target.url, "/kpis");
    await page.getByRole("button", { name: "Add a KPI" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("Late orders");
    await page.getByText("How long whole cases of a business process take").click();
    await page.getByRole("combobox", { name: "Process" }).click();
    await page.getByTitle("订单处理").click();
    await page.getByRole("textbox", { name: "Only where" }).fill("statos = 1");
    await page.getByRole("button", { name: /Use “status”/ }).click();
    await page.getByText("valid", { exact: true }).waitFor();
    await page.getByText("Mean of durations of cases of “订单处理”, where status = 1").waitFor();
    await shot("kpi-form", false);
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("link", { name: "Late orders" }).waitFor();
  });
  await checks.check("incident: no complaint of the browser", async () => must(watcher.complaints.length === 0, watcher.complaints.join("\n")));
  await context.close();

  const viewer = await open("zh-CN", 1440);
  await checks.check("incident: a viewer reads the cause and is offered nothing to do", async () => {
    await viewer.page.goto(target.url);
    await viewer.page.locator("#user").fill("viewer");
    await viewer.page.locator("#password").fill(target.password);
    await viewer.page.keyboard.press("Enter");
    await viewer.page.locator(".header").waitFor();
    await visit(viewer.page, target.url, "/incidents/505");
    await viewer.page.locator(".cause").waitFor();
    must((await viewer.page.locator(".incident-actions, .comment-box").count()) === 0, "a viewer is offered actions");
    await visit(viewer.page, target.url, "/rules");
    await viewer.page.locator(".card-table").waitFor();
    must((await viewer.page.getByRole("switch").count()) === 0, "a viewer is offered a switch");
  });
  await viewer.context.close();
}

// --- hostile names ---

if (wants("hostile")) {
  const { context, page, watcher } = await open("en", 1440);
  await signIn(page);
  await speak(page, "en");
  const inert = async () => {
    must(!(await page.evaluate(() => "__xss" in window)), "a name was executed as script");
    must((await page.locator("img[src=x], svg[onload]").count()) === 0, "a name became an element");
  };
  let made = null;
  await checks.check("hostile: a name with markup is accepted as text by the form", async () => {
    await visit(page, target.url, "/fleet");
    await page.getByRole("button", { name: "Add a site" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill(HOSTILE);
    await page.getByRole("textbox", { name: "Region" }).fill(`"><svg onload=window.__xss=1>`);
    const answer = page.waitForResponse((r) => r.url().endsWith("/api/v1/sites") && r.request().method() === "POST");
    await page.getByRole("button", { name: "Save" }).click();
    const res = await answer;
    // A collector may refuse such names; then it must say so, and the page must show that as text.
    if (res.ok()) {
      made = await res.json();
    } else {
      watcher.allow(/(409|422).*\/api\/v1\/sites/);
      await page.getByText("Not saved").waitFor();
    }
    await inert();
  });
  await checks.check("hostile: names from outside are inert on every page", async () => {
    const id = made?.id ?? null;
    const paths = ["/", "/fleet", "/fleet/devices", "/quality", "/messages", "/channels", "/processes", "/explore", ...(id === null ? [] : [`/sites/${id}`]), ...(mock === null ? [] : [...HOSTILE_PATHS, "/processes/hostile"])];
    for (const path of paths) {
      await visit(page, target.url, path);
      await page.locator("h1").first().waitFor();
      await settled(page);
      await inert();
    }
    await visit(page, target.url, `/?q=${encodeURIComponent(HOSTILE)}&region=${encodeURIComponent(HOSTILE)}&tag=${encodeURIComponent(HOSTILE)}&state=x`);
    await page.locator(".counters").waitFor();
    await inert();
  });
  await checks.check("hostile: the site made for this is retired again", async () => {
    if (made === null) {
      return "skip";
    }
    await visit(page, target.url, "/fleet");
    await page.getByRole("row").filter({ hasText: made.id }).first().getByRole("button", { name: "Retire" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Retire" }).click();
    await page.getByText("Saved").waitFor();
    await inert();
    return undefined;
  });
  await checks.check("hostile: no complaint of the browser", async () => must(watcher.complaints.length === 0, watcher.complaints.join("\n")));
  await context.close();
}

// --- a collector that stops answering ---

if (wants("stale")) {
  const { context, page, watcher, shot } = await open("en", 1440);
  watcher.allow(/ERR_FAILED|Failed to fetch/);
  await signIn(page);
  await speak(page, "en");
  await checks.check("stale: old data stay and are called old, then recover", async () => {
    await page.locator(".counters").waitFor();
    await page.route("**/api/v1/overview", (route) => route.abort());
    await page.getByText(/has not answered since \d{4}-/).waitFor();
    must((await page.locator(".counters").count()) === 1, "the old data were taken away");
    await shot("stale", false);
    await page.unroute("**/api/v1/overview");
    await page.getByRole("button", { name: "Try now" }).click();
    await page.locator(".stale-banner").waitFor({ state: "detached" });
  });
  await checks.check("stale: with nothing to show, the error is told with a way to try again", async () => {
    await page.route("**/api/v1/gaps*", (route) => route.abort());
    await visit(page, target.url, "/quality");
    await page.getByText("The collector does not answer.", { exact: false }).waitFor();
    await shot("error", false);
    await page.unroute("**/api/v1/gaps*");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator(".figures").waitFor();
  });
  await context.close();
}

// --- the ledger ---

if (mock !== null && wants("ledger")) {
  const { context, page, shot } = await open("en", 1440);
  await page.goto(target.url);
  await signIn(page);
  await speak(page, "en");
  await checks.check("ledger: the statement, the losses over time and by device", async () => {
    await visit(page, target.url, "/quality");
    await page.locator(".statement.is-up").getByText("0", { exact: true }).waitFor();
    await page.getByText("Every missing stretch has a reason.").waitFor();
    must((await page.locator(".losses rect").count()) > 0, "no bar in the chart");
    await page.locator("table").getByRole("link").first().waitFor();
    await shot("ledger");
  });
  await checks.check("ledger: what nothing explains is said first and one by one", async () => {
    mock.world.unexplained = 4;
    await page.reload();
    await page.locator(".statement.is-down").getByText("4", { exact: true }).waitFor();
    await page.getByText("does not have them any more and knows no reason").waitFor();
    await page.getByText("No batch covers this time.").waitFor();
    await shot("ledger-unexplained");
    mock.world.unexplained = 0;
  });
  await checks.check("ledger: what was set aside is tried again", async () => {
    await page.reload();
    await page.getByRole("button", { name: "Try all again" }).click();
    await page.getByText(/Last try: 3 messages, 1 taken in, 2 still bad\./).waitFor();
    await shot("requeue", false);
  });
  await checks.check("ledger: in Chinese on a phone", async () => {
    await speak(page, "zh-CN");
    await page.setViewportSize({ width: 390, height: 844 });
    await visit(page, target.url, "/quality");
    await page.getByText("每一段缺失的数据都有原因。").waitFor();
    await shot("ledger-zh-phone");
  });
  await context.close();
}

// --- accessibility ---

if (wants("a11y")) {
  const { context, page, shot } = await open("en", 1440);
  /** In light by all rules; in dark, where only colours are others, by those of colours. */
  const inBothColours = async (name, show) => {
    for (const scheme of ["light", "dark"]) {
      await checks.check(`a11y ${scheme}: ${name}`, async () => {
        await page.emulateMedia({ colorScheme: scheme });
        if (scheme === "light") {
          await show();
          await settled(page);
        } else {
          await page.evaluate(() => new Promise((drawn) => { requestAnimationFrame(() => requestAnimationFrame(drawn)); }));
          await shot(`dark-${name.replaceAll(/[/?=& ]/g, "-")}`, false);
        }
        const found = await accessibility(page, scheme === "light" ? undefined : COLOUR_RULES);
        must(found.length === 0, found.join("\n"));
      });
    }
    await page.emulateMedia({ colorScheme: "light" });
  };
  const pageInBothColours = (path, sign = "h1") => inBothColours(path, async () => {
    await visit(page, target.url, path);
    await page.locator(sign).first().waitFor({ timeout: PATIENCE_MS });
  });
  await inBothColours("sign-in", async () => {
    await page.goto(target.url);
    await page.locator("#user").waitFor();
  });
  await signIn(page);
  await speak(page, "en");
  const site = await siteWithData(page);
  for (const path of ["/", "/fleet", "/fleet/devices", "/quality", "/account", "/users",
    "/incidents", "/cases", "/messages", "/kpis", "/rules", "/processes", "/channels", "/explore",
    ...(mock === null ? [] : ["/explore?metric=cpu_used_pct&agg=p95&group=site", "/explore?metric=cpu_used_pct&view=latest", "/incidents/506", "/incidents/508", "/kpis/api-failure-rate?site=shanghai-xuhui", "/rules/r2-api-failures?site=hangzhou-xihu", "/cases/402", "/sites/shanghai-xuhui?view=cases"])]) {
    await pageInBothColours(path);
  }
  if (site !== null) {
    await pageInBothColours(`/sites/${site.id}`, ".plot canvas");
  }
  if (mock !== null) {
    for (const path of ACCESSIBLE_DEVICES) {
      await pageInBothColours(path);
    }
    await accessibleTelling(page, { target, inBothColours });
  }
  await context.close();
}

if (wants("a11y")) {
  const { context, page } = await open("en", 1440);
  await signIn(page);
  await checks.check("a11y: the first Tab is the way to the content, and the overview is walked by keyboard", async () => {
    await page.locator(".counters").waitFor();
    await page.evaluate(() => { document.activeElement?.blur(); window.scrollTo(0, 0); });
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    must((await page.evaluate(() => document.activeElement?.id)) === "content", "the skip link did not lead to the content");
    await page.keyboard.press("Tab");
    // Where there are incidents, or machines that share an identity, their links come first.
    while (await page.evaluate(() => document.activeElement?.matches(".headline a, .notice a") ?? false)) {
      await page.keyboard.press("Tab");
    }
    must(await page.evaluate(() => document.activeElement?.classList.contains("counter")), "the first stop in the content is not a counter");
  });
  await context.close();
}

await browser.close();
mock?.stop();
process.exitCode = checks.end();
