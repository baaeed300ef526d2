// What a KPI measures, as a sentence.

import type { TFunction } from "i18next";

import type { Kpi } from "../../api/kpis";
import { enWork } from "../../i18n/en_work";
import { formatAmount } from "../../model/amounts";
import "../../i18n/work";

type Said = Pick<Kpi, "source" | "metric" | "probe" | "process" | "step" | "where" | "function" | "percentile" | "condition">;

type Metric = keyof typeof enWork.metric;

/** Our word for a metric that has one, else its own name. */
export function metricText(metric: string, t: TFunction): string {
  return Object.hasOwn(enWork.metric, metric) ? t(`metric.${metric as Metric}`) : metric;
}

function subject(kpi: Said, t: TFunction): string {
  const metric = metricText(kpi.metric, t);
  const isNumber = kpi.function === "count";
  switch (kpi.source) {
    case "series":
      return metric;
    case "probe":
      return kpi.probe === "" ? t("kpi.of_probes", { metric }) : t("kpi.of_probe", { metric, probe: kpi.probe });
    case "step":
      return kpi.step === "" ? t(isNumber ? "kpi.number_of_steps" : "kpi.of_steps", { process: kpi.process })
        : t(isNumber ? "kpi.number_of_step" : "kpi.of_step", { process: kpi.process, step: kpi.step });
    case "case":
      return t(isNumber ? "kpi.number_of_cases" : "kpi.of_case", { process: kpi.process });
  }
}

export function kpiSentence(kpi: Said, t: TFunction): string {
  const of = subject(kpi, t);
  const what = kpi.function === "percentile" ? t("kpi.says_percentile", { percentile: kpi.percentile ?? 0, of })
    : kpi.function === "share" ? t("kpi.says_share", { condition: kpi.condition, of })
      : t(`kpi.says_${kpi.function}`, { of });
  return kpi.where === "" ? what : t("kpi.says_where", { what, where: kpi.where });
}

export function targetText(kpi: Pick<Kpi, "target" | "good" | "unit">, t: TFunction): string {
  if (kpi.target === null) {
    return "";
  }
  const value = formatAmount(kpi.target, kpi.unit);
  return kpi.good === "high" ? t("kpi.at_least", { value }) : kpi.good === "low" ? t("kpi.at_most", { value }) : value;
}
