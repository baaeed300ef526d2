// The part of the walk about one device: its link history as a band and a list, what is still to come, its clock.

import { must, visit } from "./harness.mjs";

const WORDS = {
  en: { waiting: "Still to come", drains: /At the measured rate it is here in about \d+ min/, held: /Held back .* until \d{4}-\d\d-\d\d/, unknown: /Values are kept/, back: "7 days", safe: /Safe mode: .*/, whole: /tried at \d{4}-\d\d-\d\d/,
    silent: "Nothing for 3 h", long: "Nothing in the last 14 days", refused: "3 requests without the right token", failing: "cannot be read" },
  "zh-CN": { waiting: "等待补传", drains: /按实测速率，约需 \d+ 分钟/, held: /暂缓至 \d{4}-\d\d-\d\d/, unknown: /数据会保留/, back: "7 天", safe: /安全模式：/, whole: /\d{4}-\d\d-\d\d .* 尝试完整配置/,
    silent: "已 3 小时没有上报", long: "近 14 天没有上报", refused: "3 个请求缺少正确的令牌", failing: "无法读取" },
};

async function fromTheList(page, tag, language, { target, checks, settled, noOverflow, shot }) {
  await checks.check(`${tag}: a device opens from the list, with its link history as a band`, async () => {
    await visit(page, target.url, "/fleet/devices");
    await page.locator('a[href="/devices/shenzhen-nanshan-server"]').click();
    await page.locator(".lb-band").first().waitFor();
    await settled(page);
    must((await page.locator(".lb-band").count()) === 4, "not one row for all data and one for each class");
    must((await page.locator(".lb-band .lb-part.is-waiting").count()) > 0, "nothing is still to come");
    await noOverflow(page);
    await shot("device");
  });
  await checks.check(`${tag}: what reports at a device, what is silent, refused or failing, and since when`, async () => {
    const panel = page.locator("section[aria-labelledby=device-inlets]");
    await panel.getByText(WORDS[language].silent).waitFor();
    const text = await panel.innerText();
    for (const word of [WORDS[language].long, WORDS[language].refused, WORDS[language].failing]) {
      must(text.includes(word), `"${word}" is not in: ${text}`);
    }
  });
  await checks.check(`${tag}: the band is walked by keyboard, and says what it shows`, async () => {
    const band = page.getByRole("slider").first();
    await band.focus();
    await page.keyboard.press("Home");
    must((await band.getAttribute("aria-valuetext")).startsWith(WORDS[language].waiting), `it says: ${await band.getAttribute("aria-valuetext")}`);
    must((await page.locator(".lb-at").innerText()).includes(WORDS[language].waiting), "the line below does not show the span");
    const before = await band.getAttribute("aria-valuenow");
    await page.keyboard.press("ArrowRight");
    must((await band.getAttribute("aria-valuenow")) !== before, "the arrow key does not move");
    await page.keyboard.press("End");
    must((await band.getAttribute("aria-valuenow")) === (await band.getAttribute("aria-valuemax")), "End is not the end");
  });
  await checks.check(`${tag}: the range goes into the URL`, async () => {
    await page.locator(".ant-segmented-item", { hasText: WORDS[language].back }).click();
    await page.waitForURL(/range=7d/);
    await page.locator(".lb-part.is-gap").first().waitFor();
    await shot("device-7d", false);
  });
}

async function inWords(page, tag, language, { target, checks, settled, noOverflow, shot }) {
  const words = WORDS[language];
  await checks.check(`${tag}: what is still to come is said with the time it takes, or until when it is held back`, async () => {
    await visit(page, target.url, "/devices/shenzhen-nanshan-server");
    await page.getByText(words.drains).waitFor();
    await visit(page, target.url, "/devices/kathmandu-thamel-server");
    await page.getByText(words.held).waitFor();
    await page.getByText(words.safe).waitFor();
    await page.getByText(words.whole).waitFor();
    await settled(page);
    await noOverflow(page);
    await shot("device-metered");
  });
  await checks.check(`${tag}: a clock that is not known yet, a device that never came, and one that is none`, async () => {
    await visit(page, target.url, "/devices/kathmandu-thamel-till-2");
    await page.getByText(words.unknown).waitFor();
    await visit(page, target.url, "/devices/kunming-new-server");
    await page.locator(".view-empty").waitFor();
    await settled(page);
    await shot("device-never");
    await visit(page, target.url, "/devices/no-such-device");
    await page.getByRole("alert").waitFor();
  });
}

export async function walkDevice(page, tag, language, kit) {
  await fromTheList(page, tag, language, kit);
  // The words once in each language, and once on each width.
  if ((language === "en") === (page.viewportSize().width > 500)) {
    await inWords(page, tag, language, kit);
  }
}

/** For axe. */
export const ACCESSIBLE_DEVICES = ["/devices/shenzhen-nanshan-server?range=7d", "/devices/kathmandu-thamel-server", "/devices/kunming-new-server"];
