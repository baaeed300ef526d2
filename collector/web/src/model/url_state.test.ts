import { describe, expect, it } from "vitest";

import { NO_FILTER } from "./overview";
import { DEFAULT_RANGE, readFilter, readRange, resolveRange, writeFilter, writeRange } from "./url_state";

describe("view state in the URL", () => {
  it("comes back as it was written", () => {
    const filter = { text: "a&b=c d", state: "late", region: "east/上海", tag: "k=v" } as const;
    expect(readFilter(new URLSearchParams(writeFilter(filter).toString()))).toEqual(filter);
    expect(writeFilter(NO_FILTER).toString()).toBe("");
  });

  it.each([["state=broken"], ["state=constructor"], ["x=1"]])("ignores what it does not know: %s", (text) => {
    expect(readFilter(new URLSearchParams(text))).toEqual(NO_FILTER);
  });

  it("keeps what belongs to others when the range changes", () => {
    const params = writeRange({ fromMs: 1_000_000, toMs: 2_000_000 }, new URLSearchParams("device=d1&last=6h"));
    expect(params.toString()).toBe("device=d1&from=1000000&to=2000000");
    expect(readRange(params)).toEqual({ fromMs: 1_000_000, toMs: 2_000_000 });
    expect(readRange(writeRange({ last: "7d" }, params))).toEqual({ last: "7d" });
  });

  it.each([["last=9y"], ["last=toString"], ["from=5&to=4"], ["from=1&to=2"], ["from=a&to=b"], ["from=1&to=99999999999999"], ["from=-1e9&to=5"], [""]])(
    "falls back to the usual range for %s",
    (text) => expect(readRange(new URLSearchParams(text))).toEqual(DEFAULT_RANGE),
  );

  it("lets a live range move with the clock and a fixed one stay", () => {
    expect(resolveRange({ last: "15m" }, 1_000_000)).toEqual({ fromMs: 100_000, toMs: 1_000_000 });
    expect(resolveRange({ fromMs: 1, toMs: 2 }, 9)).toEqual({ fromMs: 1, toMs: 2 });
  });
});
