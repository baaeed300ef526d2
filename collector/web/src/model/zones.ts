// The zones to choose from: what this browser knows, with the offset each has now.

import { zoneName } from "./time";

export interface ZoneChoice {
  value: string;
  label: string;
}

export function zoneChoices(nowMs: number): ZoneChoice[] {
  const names = new Set(["UTC", ...Intl.supportedValuesOf("timeZone")]);
  return [...names].map((value) => ({ value, label: zoneName(nowMs, value) }));
}

/** "new york" and "shanghai +8" find their zones: every word has to occur. */
export function zoneMatches(typed: string, label: string): boolean {
  const hay = label.toLowerCase().replaceAll("_", " ");
  return typed.toLowerCase().replaceAll("_", " ").split(/\s+/).every((word) => hay.includes(word));
}
