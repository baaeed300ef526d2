// @vitest-environment jsdom
// What reports at a device, as somebody reads it.

import { render } from "@testing-library/react";
import i18next from "i18next";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";

import { serverNowMs } from "../../api/http";
import { startI18n, switchLanguage } from "../../i18n";
import { enDevice } from "../../i18n/en_device";
import "../../i18n/work";
import { inletName, REFUSALS, refusedText } from "./inlet_words";
import { Shown, type Reporting } from "./inlets";

const H = 3_600_000;

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));

function show(over: Partial<Reporting> = {}): string {
  const untilMs = over.untilMs ?? serverNowMs();
  const inlets = [
    { inlet: "steps", lastMs: untilMs, perMinute: 2.5, day: 3600, lost: 0, refused: [{ reason: "bad_lines", count: 12, lastMs: untilMs - 300_000 }, { reason: "eaten", count: 1, lastMs: untilMs }] },
    { inlet: "drop", lastMs: untilMs - 3 * H, perMinute: 0, day: 4, lost: 2, refused: [] },
    { inlet: "http", lastMs: null, perMinute: 0, day: 0, lost: 0, refused: [] },
  ];
  return render(<Shown reporting={{ inlets, checks: [], ...over, untilMs }} zone="UTC" />).container.textContent;
}

describe("what reports here", () => {
  it("says how much, since when nothing, and what was refused for which reason", async () => {
    const text = show();
    for (const part of ["Line on a socket, command", "2.5", "3,600", "12 not in a form that is understood", "1 eaten", "Nothing for 3 h", "2 lost before the agent could read them", "Nothing in the last 14 days"]) {
      expect(text).toContain(part);
    }
    await switchLanguage("zh-CN");
    const chinese = show();
    for (const part of ["套接字文本行、命令", "已 3 小时没有上报", "近 14 天没有上报", "12 条格式无法识别"]) {
      expect(chinese).toContain(part);
    }
  });

  it("claims nothing of the time since a device went away", () => {
    expect(show({ untilMs: Date.UTC(2026, 0, 2, 3, 4, 5) })).toContain("Known up to 2026-01-02 03:04:05");
    expect(show()).not.toContain("Known up to");
  });

  it("names what does not answer, and since when", () => {
    const text = show({
      checks: [
        { kind: "exporter", name: "mysqld", state: "critical", sinceMs: Date.UTC(2026, 0, 2), isBefore: false },
        { kind: "plugin", name: "disk", state: "warning", sinceMs: Date.UTC(2026, 0, 2), isBefore: true },
        { kind: "plugin", name: "load", state: "ok", sinceMs: 0, isBefore: true },
      ],
    });
    expect(text).toMatch(/mysqld.*cannot be read.*since 2026-01-02 00:00:00/);
    expect(text).toMatch(/disk.*warning.*since before 2026-01-02 00:00:00/);
    expect(text).toContain("1 is well");
  });

  it.each(["en", "zh-CN"] as const)("has words for every reason in %s", async (language) => {
    await switchLanguage(language);
    for (const reason of REFUSALS) {
      expect(refusedText(reason, i18next.t)).not.toContain("_");
    }
    expect(inletName("pigeon", i18next.t)).toBe("pigeon");
  });

  it("says each reason that it has words for in these", () => {
    const texts = Object.keys(enDevice).filter((key) => key.startsWith("refused_"));
    expect(REFUSALS.map((reason) => `refused_${reason}`).sort()).toEqual(texts.sort());
    expect(refusedText("bad_time", i18next.t)).toBe("values whose time is too old, or in the future");
  });
});
