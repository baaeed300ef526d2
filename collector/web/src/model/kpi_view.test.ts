import { describe, expect, it } from "vitest";

import { inScope, readShown, writeShown } from "./kpi_view";

describe("what is shown of a KPI", () => {
  it("comes back from the URL", () => {
    expect(readShown(writeShown({ window: "1h", span: 2 }, "a"), "5m")).toEqual({ shown: { window: "1h", span: 2 }, site: "a" });
  });
  it("falls back to the resolution where a window is finer, or is none", () => {
    expect(readShown(new URLSearchParams("window=1m&span=9"), "5m").shown).toEqual({ window: "5m", span: 0 });
  });
});

describe("where a definition applies", () => {
  const site = { id: "a", region: "east/shanghai" };
  it.each([
    ["", [], true], ["east", [], true], ["east/shanghai", [], true], ["eas", [], false], ["west", [], false], ["west", ["a"], true], ["", ["b"], false], ["", ["a"], true],
  ] as const)("region “%s”, sites %j: %s", (region, sites, is) => expect(inScope({ region, sites }, site)).toBe(is));
});
