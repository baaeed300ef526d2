// @vitest-environment jsdom
// The ledger as somebody reads it: times, and what stands there when they are not known.

import { render } from "@testing-library/react";
import { beforeAll, beforeEach, expect, it } from "vitest";

import type { Gap } from "../../api/ledger";
import { startI18n, switchLanguage } from "../../i18n";
import { formatDateTime, browserZone } from "../../model/time";
import { GapTable } from "./gaps";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));

const AT = Date.UTC(2026, 10, 28, 4, 0);
const H = 3_600_000;
const at = (ms: number): string => formatDateTime(ms, browserZone());
const gap: Gap = {
  device: "till", stream: "host", seq_first: 3, seq_last: 5, from_unix_ms: null, to_unix_ms: null, not_before_unix_ms: AT, not_after_unix_ms: AT + 3 * H,
  reason: "damaged", samples: null, known_unix_ms: AT + 5 * H,
};
const show = (over: Partial<Gap>): string => render(<GapTable gaps={[{ ...gap, ...over }]} />).container.textContent;

it("says bounds as bounds, and how long it is at most", async () => {
  const text = show({});
  for (const part of [`not before ${at(AT)}`, `not after ${at(AT + 3 * H)}`, "at most 3 h"]) {
    expect(text).toContain(part);
  }
  await switchLanguage("zh-CN");
  expect(show({})).toContain(`不早于 ${at(AT)}`);
});

it("says plainly that not even a bound is known", () => {
  const text = show({ not_before_unix_ms: null });
  expect(text).toContain("not known");
  expect(text).not.toContain("not before");
  expect(text).not.toContain("at most");
});

it("leaves times that are known as they are", () => {
  const text = show({ from_unix_ms: AT, to_unix_ms: AT + 2 * H, not_before_unix_ms: null, not_after_unix_ms: null });
  expect(text).toContain(at(AT));
  expect(text).toContain("2 h");
  expect(text).not.toMatch(/not (before|after|known)/);
});
