// What lines and charts are called: our words in the reader's language, the agent's own names as they are.

import type { TFunction } from "i18next";

import type { Chart, LineName } from "../../model/charts";
import { en } from "../../i18n/en";

type LineWord = keyof typeof en.line;

function isLineWord(word: string): word is LineWord {
  return Object.hasOwn(en.line, word);
}

export function lineText(name: LineName, t: TFunction): string {
  const word = name.word === null ? null : isLineWord(name.word) ? t(`line.${name.word}`) : name.word;
  return [name.own, word].filter((part) => part !== null && part !== "").join(" ");
}

export function chartTitle(chart: Chart, t: TFunction): string {
  return chart.title === null ? chart.metric : t(`chart.${chart.title}`);
}
