// A process in words.

import type { TFunction } from "i18next";

import type { Process } from "../../api/processes";
import "../../i18n/work";

export function stepsText(steps: readonly string[], t: TFunction): string {
  return steps.length === 0 ? t("process.any_steps") : steps.join(" → ");
}

export function doneText(process: Pick<Process, "steps" | "done">, t: TFunction): string {
  if (process.done !== "") {
    return t("process.done_when", { condition: process.done });
  }
  const last = process.steps.at(-1);
  return last === undefined ? t("process.done_usual") : t("process.done_usual_or_last", { step: last });
}
