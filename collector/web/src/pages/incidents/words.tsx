// The pieces that the list and the page of an incident share.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { Incident } from "../../api/incidents";
import { formatDateTime } from "../../model/time";
import { Age, durationText } from "../../ui/age";
import { Doubt } from "../../ui/doubt";
import { useNowMs } from "../../ui/now";
import "../../i18n/work";

export function StateWord({ incident }: { incident: Incident }): ReactElement {
  const { t } = useTranslation();
  return <span className={`incident-state is-${incident.state}`}>{t(`incident.state_${incident.state}`)}</span>;
}

export function Told({ notice }: { notice: Incident["notice"] }): ReactElement {
  const { t } = useTranslation();
  return <span title={t(`incident.told_${notice}_help`)}>{t(`incident.told_${notice}`)}</span>;
}

/** What it is about, where that is not the site itself: a case by its process's name. */
export function subjectText(incident: Pick<Incident, "subject" | "site" | "explanation">): string {
  const { subject, site, explanation: facts } = incident;
  if (facts?.kind === "case_open" && subject === `${facts.process}/${facts.case}`) {
    return `${facts.process_name || facts.process} / ${facts.case}`;
  }
  return subject === site ? "" : subject;
}

/** Begin and end in event time, on the site's own clock. */
export function SpanCell({ incident }: { incident: Incident }): ReactElement {
  const { t } = useTranslation();
  const { zone } = incident;
  return (
    <span className="incident-span">
      <span className="is-tabular">{formatDateTime(incident.begin_unix_ms, zone)}<Doubt ms={incident.clock_doubt_ms} /></span>
      <span className={incident.end_unix_ms === null ? "incident-ongoing" : "is-tabular is-faint"}>
        {incident.end_unix_ms === null ? t("incident.still") : `– ${formatDateTime(incident.end_unix_ms, zone)}`}
      </span>
      <span className="is-faint">{t("incident.lasted_for")} <Lasted incident={incident} /></span>
    </span>
  );
}

export function Lasted({ incident }: { incident: Incident }): ReactElement {
  const { t } = useTranslation();
  const nowMs = useNowMs(10_000);
  return <span className="is-tabular">{durationText((incident.end_unix_ms ?? Math.max(nowMs, incident.begin_unix_ms)) - incident.begin_unix_ms, t)}</span>;
}

export function KnownSince({ incident }: { incident: Incident }): ReactElement {
  return <Age unixMs={incident.known_unix_ms} zone={incident.zone} />;
}
