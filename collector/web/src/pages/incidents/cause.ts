// What caused an incident, in sentences made of the facts that the rule left.  Pure: facts and a language in, text out.

import type { TFunction } from "i18next";

import type { CaseFacts, Facts, NoDataFacts, ThresholdFacts } from "../../api/incidents";
import { WINDOWS } from "../../api/kpis";
import { OPS } from "../../api/rules";
import { formatAmount } from "../../model/amounts";
import { formatDateTime } from "../../model/time";
import { durationText } from "../../ui/age";
import "../../i18n/work";

export function opText(op: string, t: TFunction): string {
  const known = OPS.find((o) => o === op || (o === "=" && op === "==") || (o === "!=" && op === "<>"));
  return known === undefined ? op : t(`op.${known}`);
}

export function windowText(window: string, t: TFunction): string {
  const known = WINDOWS.find((w) => w === window);
  return known === undefined ? window : t(`win.${known}`);
}

function threshold(f: ThresholdFacts, zone: string, t: TFunction): string[] {
  const first = f.windows[0];
  const op = opText(f.op, t);
  const words = { kpi: f.kpi_name || f.kpi, op, threshold: formatAmount(f.threshold, f.unit), window: windowText(f.window, t), count: f.for };
  const out = [
    first === undefined ? t("cause.threshold_undated", words) : t("cause.threshold", { ...words, from: formatDateTime(first.begin_unix_ms, zone) }),
  ];
  if (f.worst !== null) {
    out.push(t("cause.worst", { value: formatAmount(f.worst, f.unit) }));
  }
  if (f.true_windows > f.for) {
    out.push(t("cause.true_windows", { count: f.true_windows, op }));
  }
  if (f.unknown_ms > 0) {
    out.push(t("cause.unknown", { span: durationText(f.unknown_ms, t) }));
  }
  return out;
}

function caseOpen(f: CaseFacts, zone: string, t: TFunction): string[] {
  const out = [
    t("cause.case_open", {
      process: f.process_name || f.process,
      case: f.case,
      begin: formatDateTime(f.begin_unix_ms, zone),
      deadline: formatDateTime(f.deadline_unix_ms, zone),
      limit: durationText(f.limit_ms, t),
    }),
    f.end_unix_ms === null ? t("cause.case_still_open")
      : t("cause.case_ended", { end: formatDateTime(f.end_unix_ms, zone), over: durationText(f.end_unix_ms - f.deadline_unix_ms, t) }),
  ];
  if (f.status !== "") {
    out.push(t("cause.case_status", { status: f.status }));
  }
  return out;
}

function noData(f: NoDataFacts, zone: string, t: TFunction): string[] {
  const after = durationText(f.after_ms, t);
  return [
    f.last_unix_ms === null ? t("cause.never_data", { device: f.device, after }) : t("cause.no_data", { device: f.device, last: formatDateTime(f.last_unix_ms, zone), after }),
    t("cause.no_data_means"),
  ];
}

export function causeSentences(facts: Facts | null, zone: string, t: TFunction): string[] {
  switch (facts?.kind) {
    case undefined:
      return [t("cause.other")];
    case "threshold":
      return threshold(facts, zone, t);
    case "case_open":
      return caseOpen(facts, zone, t);
    case "no_data":
      return noData(facts, zone, t);
  }
}
