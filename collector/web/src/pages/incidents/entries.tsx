// What happened to an incident, in order, in words.

import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { Entry } from "../../api/incidents";
import type { Person } from "../../api/people";
import { enWork } from "../../i18n/en_work";
import { formatDateTime } from "../../model/time";

export function personText(name: string | null, people: readonly Person[], t: TFunction): string {
  if (name === null || name === "") {
    return t("work.nobody");
  }
  if (name === "system") {
    return t("work.by_system");
  }
  if (name === "local administrator") {
    return t("work.by_local");
  }
  return people.find((p) => p.name === name)?.display_name || name;
}

function textOf(detail: Record<string, unknown>, ...keys: string[]): string {
  for (const key of keys) {
    const value = detail[key];
    if (typeof value === "string" || typeof value === "number") {
      return String(value);
    }
  }
  return "";
}

function timeOf(detail: Record<string, unknown>, key: string, zone: string): string {
  const value = detail[key];
  return typeof value === "number" ? formatDateTime(value, zone) : "";
}

type Kind = keyof typeof enWork.entry;

export function entryText(entry: Entry, zone: string, people: readonly Person[], t: TFunction): string {
  const { detail } = entry;
  const kind = Object.hasOwn(enWork.entry, entry.kind) ? (entry.kind as Kind) : null;
  if (kind === null) {
    return entry.kind;
  }
  if (kind === "assigned") {
    const user = textOf(detail, "user");
    return user === "" ? t("entry.unassigned") : t("entry.assigned", { user: personText(user, people, t) });
  }
  if (kind === "merged") {
    const into = textOf(detail, "into");
    return into === "" ? t("entry.took_in", { from: textOf(detail, "from") }) : t("entry.merged", { into });
  }
  if (kind === "amended") {
    const after = typeof detail["after"] === "object" && detail["after"] !== null ? (detail["after"] as Record<string, unknown>) : {};
    const [begin, end] = [timeOf(after, "begin_unix_ms", zone), timeOf(after, "end_unix_ms", zone)];
    return begin === "" ? t("entry.amended") : t("entry.amended_to", { begin, end: end === "" ? t("incident.still") : end });
  }
  return t(`entry.${kind}`);
}

/** What a person wrote; it is shown as text, in its own lines. */
export function saidIn(entry: Entry): string {
  return entry.kind === "commented" || entry.kind === "resolved" ? textOf(entry.detail, "text", "comment") : "";
}

export function Entries({ entries, zone, people }: { entries: readonly Entry[]; zone: string; people: readonly Person[] }): ReactElement {
  const { t } = useTranslation();
  return (
    <ol className="entries">
      {entries.map((e) => (
        <li key={e.n} className={`entry is-${e.actor === "system" ? "system" : "person"}`}>
          <span className="entry-time">{formatDateTime(e.unix_ms, zone)}</span>
          <span className="entry-what"><strong>{personText(e.actor, people, t)}</strong> {entryText(e, zone, people, t)}</span>
          {saidIn(e) !== "" && <p className="entry-said is-lines">{saidIn(e)}</p>}
        </li>
      ))}
    </ol>
  );
}
