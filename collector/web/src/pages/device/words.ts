// A link's history in words.

import type { TFunction } from "i18next";

import type { LinkSpan } from "../../api/link";
import { reasonOf } from "../../model/gaps";
import { formatDate, formatDateTime, formatTime } from "../../model/time";
import { durationText } from "../../ui/age";

/** The day only once when it is the same. */
export function fromToText(fromMs: number, toMs: number, zone: string): string {
  const [from, to] = [formatDateTime(fromMs, zone), formatDateTime(toMs, zone)];
  return formatDate(fromMs, zone) === formatDate(toMs, zone) ? `${from} – ${formatTime(toMs, zone)}` : `${from} – ${to}`;
}

/** What happened, with its reason: "Missing: agent was off". */
export function stateText(span: LinkSpan, t: TFunction): string {
  if (span.state === "unknown" && span.reason === "offline") {
    return t("device.state_offline");
  }
  if (span.state === "unknown" && span.reason === "not_in_service") {
    return t("device.state_not_in_service");
  }
  const word = t(`device.state_${span.state}`);
  return span.state === "gap" && span.reason !== null ? t("device.state_because", { state: word, reason: t(`reason.${reasonOf(span.reason)}`) }) : word;
}

/** What else is to be said of it; empty: nothing. */
export function moreText(span: LinkSpan, zone: string, t: TFunction): string {
  if (span.arrived_unix_ms !== null) {
    return t("device.here_since", { time: formatDateTime(span.arrived_unix_ms, zone) });
  }
  if (span.state === "waiting") {
    return t("device.help_waiting");
  }
  if (span.state === "unknown" && span.reason !== "not_in_service") {
    return t(span.reason === "offline" ? "device.help_offline" : "device.help_unknown");
  }
  return span.state === "gap" && span.reason !== null ? t(`reason_help.${reasonOf(span.reason)}`) : "";
}

/** How long; of a stretch that stands for several, how much of it: "12 h of 3 d". */
export function lengthText(span: LinkSpan, rangeFromMs: number, t: TFunction): string {
  const whole = span.to_unix_ms - span.from_unix_ms;
  // It may have begun before what is looked at.
  const length = `${span.from_unix_ms <= rangeFromMs ? "≥ " : ""}${durationText(whole, t)}`;
  return span.lasted_ms < whole - 1000 ? t("device.part_of", { part: durationText(span.lasted_ms, t), whole: durationText(whole, t) }) : length;
}

/** A whole line, as the band says it. */
export function spanWords(span: LinkSpan, rangeFromMs: number, zone: string, t: TFunction): string {
  return [stateText(span, t), fromToText(span.from_unix_ms, span.to_unix_ms, zone), lengthText(span, rangeFromMs, t), moreText(span, zone, t)].filter((s) => s !== "").join(" · ");
}
