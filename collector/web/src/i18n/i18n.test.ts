import { describe, expect, it } from "vitest";

import { preferredLanguage } from ".";
import { en as enBase } from "./en";
import { enWork } from "./en_work";
import { zhWork } from "./zh_work";
import { zhCN as zhBase } from "./zh-CN";

type Tree = { [key: string]: string | Tree };

function leaves(tree: Tree, path = ""): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]) => (typeof value === "string" ? [[path + key, value] as [string, string]] : leaves(value, `${path}${key}.`)));
}

const en = { ...enBase, ...enWork };
const zhCN = { ...zhBase, ...zhWork };
const english = leaves(en);
const chinese = leaves(zhCN);
// Chinese has no singular of its own.
const keys = (list: [string, string][]): string[] => list.map(([key]) => key).filter((key) => !key.endsWith("_one")).sort();
const holes = (text: string): string[] => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1] ?? "").sort();

describe("the catalogues", () => {
  it("share no section between what comes first and what comes later", () => {
    expect(Object.keys(enWork).filter((key) => Object.hasOwn(enBase, key))).toEqual([]);
  });

  it("have the same keys", () => {
    expect(keys(chinese)).toEqual(keys(english));
  });

  it("fill the same holes", () => {
    const zh = new Map(chinese);
    for (const [key, text] of english) {
      const other = zh.get(key);
      if (other !== undefined) {
        expect([key, holes(other)]).toEqual([key, holes(text)]);
      }
    }
  });

  it("have a singular for every plural in English", () => {
    const all = new Set(english.map(([key]) => key));
    for (const key of all) {
      if (key.endsWith("_other") && key !== "reason.other") {
        expect(all).toContain(key.replace(/_other$/, "_one"));
      }
    }
  });

  it("leave nothing empty, and nothing untranslated but names", () => {
    const same = chinese.filter(([key, text]) => text === new Map(english).get(key)).map(([key]) => key);
    expect([...english, ...chinese].filter(([, text]) => text.trim() === "")).toEqual([]);
    expect(same.sort()).toEqual(["app.name", "line.agent_cpu_ms_total", "overview.col_cpu", "overview.matter_none", "overview.probes_failing"].filter((k) => same.includes(k)).sort());
  });
});

describe("the language at the first visit", () => {
  it.each([
    [null, ["zh-CN", "en"], "zh-CN"], [null, ["zh-TW"], "zh-CN"], [null, ["fr", "zh"], "zh-CN"], [null, ["en-GB", "zh"], "en"], [null, ["fr"], "en"], ["en", ["zh-CN"], "en"], ["xx", ["zh"], "zh-CN"], [null, [], "en"],
  ] as const)("remembered %s, browser %s: %s", (stored, wanted, language) => expect(preferredLanguage(stored, wanted)).toBe(language));
});
