// The part of the walk about messages, channels and processes: reading what was sent, making a channel and trying it, keeping its secret,
// putting steps in order by keyboard, and what each role is not shown.

import { must, visit } from "./harness.mjs";

const NAMES = { en: { add: "Add a channel", test: /^Test “/ }, "zh-CN": { add: "添加渠道", test: /^测试“/ } };

async function messages(page, tag, { target, checks, settled, noOverflow, shot }) {
  await checks.check(`${tag}: messages say what became of each, and filter in the URL`, async () => {
    await visit(page, target.url, "/messages");
    await page.locator(".message").first().waitFor();
    await settled(page);
    must((await page.locator(".message-state svg").count()) > 0, "a state without a shape");
    await noOverflow(page);
    await page.locator(".message summary").first().click();
    await page.locator(".message-text").first().waitFor();
    await shot("messages", false);
    await visit(page, target.url, "/messages?state=refused");
    await page.locator(".message").first().waitFor();
    must((await page.locator(".message").count()) === (await page.locator(".message-state.is-refused").count()), "another state is among the refused");
    await visit(page, target.url, "/messages?incident=999999");
    await page.locator(".view-empty").waitFor();
  });
  await checks.check(`${tag}: older messages are a page away, and the newest again`, async () => {
    await visit(page, target.url, "/messages");
    await page.locator(".paging button").click();
    await page.waitForURL(/before=\d+/);
    await page.locator(".message").first().waitFor();
    await page.locator(".paging button").first().click();
    await page.waitForURL((url) => !url.search.includes("before"));
  });
}

async function channels(page, tag, language, { target, checks, settled, noOverflow, shot }) {
  await checks.check(`${tag}: a webhook is made, and its secret is shown until somebody has it`, async () => {
    await visit(page, target.url, "/channels");
    await settled(page);
    await noOverflow(page);
    await shot("channels", false);
    await page.getByRole("button", { name: NAMES[language].add }).click();
    await page.locator("input[value=webhook]").click();
    await page.locator("#name").fill(`Walk ${tag}`);
    await page.locator("#url").fill("http://hooks.example.com/x");
    await page.locator(".drawer-footer .ant-btn-primary").click();
    await page.locator(".ant-form-item-explain-error").waitFor();
    await page.locator("#url").fill("https://hooks.example.com/x");
    await page.locator(".drawer-footer .ant-btn-primary").click();
    await page.locator(".command code").waitFor();
    must(/^whsec_/.test(await page.locator(".command code").innerText()), "no secret is shown");
    await shot("secret", false);
    await page.keyboard.press("Escape");
    must(await page.locator(".command").isVisible(), "Escape took the secret away");
    await page.locator(".ant-modal-footer button").click();
    await page.locator(".command").waitFor({ state: "detached" });
  });
  await checks.check(`${tag}: a test is followed to the other side's own answer`, async () => {
    await visit(page, target.url, "/channels/duty-hook");
    await page.getByRole("button", { name: NAMES[language].test }).click();
    await page.locator(".trial .message-state.is-waiting").waitFor();
    await page.locator(".trial .message-state.is-refused").waitFor();
    must((await page.locator(".trial .is-raw").innerText()).includes("bad signature"), "the answer is not shown as it is");
    await shot("test", false);
    await page.locator(".ant-modal-footer button").click();
    await noOverflow(page);
    await shot("channel");
  });
}

async function processes(page, tag, { target, checks, settled, noOverflow, shot }) {
  await checks.check(`${tag}: steps are put in order by keyboard and saved as a new version`, async () => {
    await visit(page, target.url, "/processes");
    await settled(page);
    await noOverflow(page);
    await shot("processes", false);
    await visit(page, target.url, "/processes/returns");
    await page.locator(".version").first().waitFor();
    const versions = await page.locator(".version").count();
    const step = `weigh ${tag}`;
    await page.locator(".title-row button").last().click();
    const first = await page.locator('[data-step="0"] input').inputValue();
    await page.locator('[data-step="0"] input').press("Alt+ArrowDown");
    must((await page.locator('[data-step="1"] input').inputValue()) === first, "the step did not move");
    must(await page.locator('[data-step="1"] input').evaluate((input) => input === document.activeElement), "the focus did not go with it");
    await page.locator('[data-step="1"] input').press("Enter");
    await page.keyboard.type(step);
    await page.locator("#done").fill("stats = 1");
    await page.locator(".expression-verdict .is-bad").waitFor();
    await shot("process-form", false);
    await page.locator(".expression-verdict button").first().click();
    await page.locator(".expression-verdict .is-good").waitFor();
    await page.locator(".drawer-footer .ant-btn-primary").click();
    await page.locator(".step-chain").getByText(step).waitFor();
    await page.waitForFunction((n) => document.querySelectorAll(".version").length === n + 1, versions);
    await noOverflow(page);
    await shot("process");
  });
}

/** One language and width. */
export async function walkTelling(page, tag, language, tools) {
  await messages(page, tag, tools);
  await channels(page, tag, language, tools);
  await processes(page, tag, tools);
}

/** What operators and viewers are not shown; the stand-in has one of each. */
export async function walkRoles(page, role, { target, checks, settled }) {
  await checks.check(`${role}: is shown nothing that the collector would refuse`, async () => {
    const sees = role === "operator";
    must((await page.locator('.nav a[href="/channels"]').count()) === (sees ? 1 : 0), "channels in the navigation");
    for (const path of ["/processes", "/processes/orders", ...(sees ? ["/channels", "/channels/duty-hook"] : [])]) {
      await visit(page, target.url, path);
      await page.locator("h1").first().waitFor();
      await settled(page);
      must((await page.locator(".title-row button, .content .ant-switch").count()) === 0, `${path} offers a change`);
    }
    await visit(page, target.url, "/messages");
    await page.locator(".message").first().waitFor();
    must((await page.locator('.message a[href^="/channels/"]').count() > 0) === sees, "links to channels");
  });
  if (role === "viewer") {
    await checks.check("viewer: a channel's address typed by hand is refused in words", async () => {
      await visit(page, target.url, "/channels");
      await page.locator(".view-error").waitFor();
    });
  }
}

/** Pages and open dialogs, for axe. */
export async function accessibleTelling(page, { target, inBothColours }) {
  const go = async (path) => {
    await visit(page, target.url, path);
    await page.locator("h1").first().waitFor();
  };
  for (const path of ["/channels/duty-hook", "/processes/orders"]) {
    await inBothColours(path, () => go(path));
  }
  await inBothColours("channel form", async () => {
    await go("/channels/duty-hook");
    await page.locator(".title-row button").last().click();
    await page.locator("input[value=given]").click();
  });
  await inBothColours("process form", async () => {
    await go("/processes/orders");
    await page.locator(".title-row button").last().click();
    await page.locator(".expression-verdict .is-good").waitFor();
  });
}
