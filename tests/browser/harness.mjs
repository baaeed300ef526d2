// What the walk stands on: Debian's Chromium through playwright-core, counted checks, and watchers that fail the run when a page breaks
// its Content-Security-Policy, throws, or logs an error.

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

// playwright-core and axe-core come with the web app's own development packages; there is one lock file.
const require = createRequire(new URL("../../collector/web/package.json", import.meta.url));

/** How long something may take that a person would see at once: others have this machine, too. */
export const PATIENCE_MS = 60_000;

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

function chromiumPath() {
  if (process.env.BRANCHLINE_CHROMIUM) {
    return process.env.BRANCHLINE_CHROMIUM;
  }
  return execFileSync("sh", ["-c", "command -v chromium || command -v chromium-browser || command -v google-chrome"], { encoding: "utf8" }).trim();
}

export async function launch() {
  const { chromium } = require("playwright-core");
  // Others on this machine make and remove networks meanwhile, which would end what Chromium loads (steady_network.c).
  const steady = process.env.BRANCHLINE_STEADY ? { LD_PRELOAD: process.env.BRANCHLINE_STEADY } : {};
  return chromium.launch({ executablePath: chromiumPath(), args: FLAGS, env: { ...process.env, ...steady } });
}

export function axeSource() {
  return require("axe-core").source;
}

/** Counts, prints a line each, and goes on after a failure: one broken thing should not hide the next. */
export class Checks {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** The page that is looked at: shown when a check fails. */
  page = null;

  async check(name, body) {
    const began = Date.now();
    try {
      const result = await body();
      if (result === "skip") {
        this.skipped++;
        console.log(`skip  ${name}`);
        return;
      }
      this.passed++;
      console.log(`ok    ${name} (${Date.now() - began} ms)`);
    } catch (e) {
      this.failed++;
      await this.#show(name);
      console.log(`FAIL  ${name}\n      ${String(e?.message ?? e).split("\n").slice(0, 12).join("\n      ")}`);
    }
  }

  async #show(name) {
    const folder = process.env.BRANCHLINE_FAILED;
    if (folder && this.page !== null) {
      mkdirSync(folder, { recursive: true });
      await this.page.screenshot({ path: join(folder, `${name.replaceAll(/[^\p{L}\p{N}]+/gu, "-").slice(0, 80)}.png`) }).catch(() => undefined);
    }
  }

  end() {
    console.log(`${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
    return this.failed === 0 ? 0 : 1;
  }
}

export function must(fact, otherwise) {
  if (!fact) {
    throw new Error(otherwise);
  }
}

/**
 * Watches a page.  `complaints` collects what must not happen; `allow` names answers that the walk provokes (a refused sign-in), which
 * the browser itself logs as errors.
 */
export async function watch(page) {
  const complaints = [];
  const allowed = [];
  page.on("console", (message) => {
    if (message.type() !== "error") {
      return;
    }
    const text = `${message.text()} ${message.location().url ?? ""}`;
    if (!allowed.some((re) => re.test(text))) {
      complaints.push(`console: ${text}`);
    }
  });
  page.on("pageerror", (e) => complaints.push(`exception: ${e.message}`));
  await page.exposeBinding("reportCsp", (_source, what) => complaints.push(`content security policy: ${what}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => window.reportCsp(`${e.violatedDirective} ${e.blockedURI}`));
  });
  return { complaints, allow: (re) => allowed.push(re) };
}

export function shooter(page, prefix) {
  const folder = process.env.BRANCHLINE_SHOTS;
  if (folder) {
    mkdirSync(folder, { recursive: true });
  }
  return async (name, fullPage = true) => {
    if (folder) {
      await page.screenshot({ path: join(folder, `${prefix}-${name}.png`), fullPage });
    }
  };
}

/**
 * Goes to a path as a link of the app does: a third of what loading the app anew costs. By way of a page that shows nothing, so that
 * what is waited for next is never what the page before shows.
 */
export async function visit(page, origin, path) {
  if (!page.url().startsWith(origin) || (await page.locator(".header").count()) === 0) {
    await page.goto(origin + path);
    return;
  }
  await page.evaluate(() => history.pushState(null, "", "/nowhere"));
  await page.locator(".content > .view-empty > .view-empty-title").waitFor();
  await page.evaluate((to) => history.replaceState(null, "", to), path);
}

const ALL_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
/** The rules that have to do with colours. */
export const COLOUR_RULES = ["color-contrast", "link-in-text-block"];

/** Serious findings of axe, as lines. */
export async function accessibility(page, rules = ALL_RULES) {
  await page.waitForFunction(() => document.getAnimations().every((a) => a.playState !== "running" || a.effect?.getComputedTiming().iterations === Infinity));
  if (!(await page.evaluate(() => "axe" in window))) {
    await page.evaluate(axeSource());
  }
  const found = await page.evaluate(async (runOnly) => {
    const result = await window.axe.run(document, { runOnly });
    return result.violations.map((v) => ({ id: v.id, impact: v.impact, nodes: v.nodes.map((n) => `${n.target.join(" ")}: ${n.any.map((a) => a.message).join("; ")}`).slice(0, 4) }));
  }, rules);
  return found.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => `${v.id} (${v.nodes.join(" | ")})`);
}
