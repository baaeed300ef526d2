import { describe, expect, it } from "vitest";

import { addressesOf, channelDraft, draftOf, fromField, kpiDraft, processDraft, ruleDraft, secretOf, type ChannelFields, type KpiFields, type RuleFields } from "./drafts";

const NOW = 1_795_000_030_000;

describe("a draft", () => {
  it("leaves out what is empty in a new one", () => expect(draftOf({ a: " x ", b: "", c: null, d: undefined, e: [], f: 0, g: false }, null)).toEqual({ a: "x", f: 0, g: false }));
  it("removes what was set before", () => expect(draftOf({ a: "", b: [], c: null, d: "" }, { a: "x", b: ["y"], c: 0, d: "" })).toEqual({ a: null, b: null, c: null }));
  it.each([["now", {}], ["24h", { from_unix_ms: Math.floor((NOW - 86_400_000) / 60_000) * 60_000 }]] as const)("from %s", (from, fields) => expect(fromField(from, NOW)).toEqual(fields));
});

const kpi: KpiFields = { id: "k", name: "K", source: "step", metric: "m", probe: "p", process: "orders", step: "review", where: "", function: "mean", percentile: 95, condition: "value > 1", resolution: "5m", unit: "ms", target: null, good: "low", from: "now" };

describe("a KPI's draft", () => {
  it("has only what its source and function have", () => {
    expect(kpiDraft(kpi, null, NOW)).toEqual({ id: "k", name: "K", source: "step", process: "orders", step: "review", function: "mean", resolution: "5m", unit: "ms" });
    expect(kpiDraft({ ...kpi, source: "probe", function: "share", target: 0 }, null, NOW)).toMatchObject({ metric: "m", probe: "p", condition: "value > 1", target: 0, good: "low" });
    expect(kpiDraft({ ...kpi, function: "percentile" }, null, NOW)).toMatchObject({ percentile: 95 });
  });
  it("takes away what an older version had and this one has not, and never sends the id again", () => {
    expect(kpiDraft(kpi, { id: "k", metric: "m", condition: "c" }, NOW)).toMatchObject({ metric: null, condition: null });
    expect(kpiDraft(kpi, {}, NOW)).not.toHaveProperty("id");
  });
});

const rule: RuleFields = {
  name: "R", kind: "threshold", severity: "critical", kpi: "k", window: "1m", op: ">", value: 0, for: 5, completeness_pct: 80, wait: 2, process: "orders", limit_min: 30, where: "x", after_min: 10,
  channels: ["mail"], tell_end: false, from: "now",
};

describe("a rule's draft", () => {
  it.each([
    ["threshold", { kpi: "k", window: "1m", op: ">", value: 0, for: 5, completeness: 0.8, wait: 2 }],
    ["case_open", { process: "orders", limit_ms: 1_800_000, where: "x" }],
    ["no_data", { after_ms: 600_000 }],
  ] as const)("%s has its own fields only", (kind, own) => {
    expect(ruleDraft({ ...rule, kind }, null, NOW)).toEqual({ name: "R", kind, severity: "critical", channels: ["mail"], tell_end: false, ...own });
  });
});

const channel: ChannelFields = { id: "c", name: "C", kind: "webhook", language: "en", to: "a@x", url: "https://x", secret_from: "made", secret: "whsec_given", made: "whsec_made" };

describe("a channel's draft", () => {
  it("has only what its kind has, and the kind once", () => {
    expect(channelDraft({ ...channel, kind: "email" }, null)).toEqual({ id: "c", name: "C", kind: "email", language: "en", to: ["a@x"] });
    expect(channelDraft(channel, null)).toEqual({ id: "c", name: "C", kind: "webhook", language: "en", url: "https://x" });
    expect(channelDraft(channel, {})).not.toHaveProperty("kind");
  });

  it.each([
    ["made", null, undefined], ["given", null, "whsec_given"], ["kept", {}, undefined], ["made", {}, "whsec_made"], ["given", {}, "whsec_given"],
  ] as const)("secret %s over %j: %s", (from, before, secret) => expect(channelDraft({ ...channel, secret_from: from }, before)["secret"]).toBe(secret));

  it.each([
    ["a@x\nb@x", ["a@x", "b@x"]], [" a@x, b@x；c@x ;a@x", ["a@x", "b@x", "c@x"]], ["", []], [" \n", []],
  ])("takes addresses from %j", (text, list) => expect(addressesOf(text)).toEqual(list));

  it("makes secrets as Standard Webhooks writes them", () => expect(secretOf(new Uint8Array([0, 255, 16]))).toBe("whsec_AP8Q"));
});

describe("a process's draft", () => {
  it("leaves empty steps out", () => expect(processDraft({ id: "p", name: "P", steps: [" a ", "", "b"], done: " ", from: "now" }, null, NOW)).toEqual({ id: "p", name: "P", steps: ["a", "b"] }));
  it("takes away what was there", () => expect(processDraft({ name: "P", steps: [], from: "1h" }, { steps: ["a"], done: "x" }, NOW)).toMatchObject({ steps: null, done: null, from_unix_ms: expect.any(Number) as number }));
});
