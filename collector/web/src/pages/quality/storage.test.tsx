// @vitest-environment jsdom
// What is said of stored hours that cannot be read.

import { render } from "@testing-library/react";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";

import type { Storage } from "../../api/storage";
import { startI18n, switchLanguage } from "../../i18n";
import "../../i18n/work";
import i18next from "i18next";
import { Damaged, Held, keepText } from "./storage";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));

const HOUR = Date.UTC(2026, 10, 28, 4, 0);

function damaged(count: number): Storage["damaged"] {
  const items = Array.from({ length: Math.min(count, 16) }, (_, i) => ({ part: i + 1, file: `raw-202611${10 + i}.blp`, hour_unix_ms: HOUR - i * 86_400_000, why: "it is gone" }));
  return { count, checked_unix_ms: null, items };
}

describe("what cannot be read", () => {
  const show = (count: number): string => render(<Damaged damaged={damaged(count)} />).container.textContent;

  it("is not spoken of when there is nothing", () => expect(show(0)).toBe(""));

  it("is named by file and hour", () => {
    expect(show(1)).toContain("One file of an hour cannot be read: raw-20261110.blp, hour of 2026-11-28");
    expect(show(1)).not.toContain("…");
  });

  it("is counted when it is much, the first of it named", () => {
    expect(show(40)).toContain("Files of 40 hours cannot be read: raw-20261110.blp");
    expect(show(40)).toContain("raw-20261114.blp");
    expect(show(40)).not.toContain("raw-20261115.blp");
    expect(show(40)).toContain("…");
  });

  it("is told in Chinese, too", async () => {
    await switchLanguage("zh-CN");
    expect(show(1)).toContain("有 1 处按小时保存的文件无法读取：raw-20261110.blp");
  });
});

describe("how long it is kept", () => {
  const DAY = 86_400_000;

  it.each([[null, "not limited"], [DAY, "1 day"], [35 * DAY, "35 days"], [396 * DAY, "396 days, about 13 months"], [1826 * DAY, "1826 days, about 5 years"]])(
    "%s ms is said as %s", (ms, text) => expect(keepText(ms, i18next.t)).toBe(text));

  it("is said in Chinese, too", async () => {
    await switchLanguage("zh-CN");
    expect(keepText(1826 * DAY, i18next.t)).toBe("1826 天（约 5 年）");
  });

  it("is not gone by while the clock is not believed", async () => {
    expect(render(<Held ms={null} />).container.textContent).toBe("");
    expect(render(<Held ms={2 * DAY} />).container.textContent).toContain("nothing is deleted by its age for another 2 d");
    await switchLanguage("zh-CN");
    expect(render(<Held ms={2 * DAY} />).container.textContent).toContain("校正");
  });
});
