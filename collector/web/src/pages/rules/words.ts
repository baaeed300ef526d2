// A rule as a sentence, and what it saw in a stretch of windows.

import type { TFunction } from "i18next";

import type { Rule, Run } from "../../api/rules";
import { formatAmount, formatShare } from "../../model/amounts";
import { durationText } from "../../ui/age";
import { opText, windowText } from "../incidents/cause";

/** Names and units by id; an id without one stands for itself. */
export interface Names {
  kpi: ReadonlyMap<string, { name: string; unit: string }>;
  process: ReadonlyMap<string, string>;
  channel: ReadonlyMap<string, string>;
}

export const NO_NAMES: Names = { kpi: new Map(), process: new Map(), channel: new Map() };

export type Said = Pick<Rule, "kind" | "kpi" | "window" | "op" | "value" | "for" | "process" | "limit_ms" | "where" | "after_ms" | "channels">;

export function conditionText(rule: Said, names: Names, t: TFunction): string {
  switch (rule.kind) {
    case "threshold": {
      const kpi = names.kpi.get(rule.kpi);
      return t("rule.if_threshold", {
        kpi: kpi?.name ?? rule.kpi, window: windowText(rule.window ?? "", t), op: opText(rule.op ?? "", t), value: formatAmount(rule.value, kpi?.unit ?? ""), count: rule.for ?? 1,
      });
    }
    case "case_open": {
      const words = { process: names.process.get(rule.process) ?? rule.process, limit: durationText(rule.limit_ms ?? 0, t) };
      return rule.where === "" ? t("rule.if_case", words) : t("rule.if_case_where", { ...words, where: rule.where });
    }
    case "no_data":
      return t("rule.if_no_data", { after: durationText(rule.after_ms ?? 0, t) });
  }
}

export function ruleSentence(rule: Said, names: Names, t: TFunction): string {
  const channels = rule.channels.map((c) => names.channel.get(c) ?? c).join(t("work.and"));
  return t("rule.sentence", { condition: conditionText(rule, names, t), action: channels === "" ? t("rule.then_quiet") : t("rule.then_tell", { channels }) });
}

/** Why a run came out as it did, and whether it was enough. */
export function runWords(run: Run, rule: Pick<Rule, "op" | "value" | "for" | "completeness">, unit: string, t: TFunction): string {
  if (run.outcome === "unknown") {
    return t("rule.run_unknown", { share: formatShare(run.completeness), need: formatShare(rule.completeness ?? 0.8) });
  }
  const words = { op: opText(rule.op ?? "", t), value: formatAmount(rule.value, unit), min: formatAmount(run.value_min, unit), max: formatAmount(run.value_max, unit) };
  if (run.outcome === "false") {
    return t("rule.run_false", words);
  }
  const need = rule.for ?? 1;
  const enough = run.windows >= need ? t("rule.run_enough", { count: run.windows }) : t("rule.run_too_short", { count: run.windows, need });
  return `${t("rule.run_true", words)} · ${enough}`;
}
