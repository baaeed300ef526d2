// One incident: what caused it in words, the evidence, when it was known where, what was done and what was sent.

import "./incidents.css";

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { getIncident, type IncidentDetail } from "../../api/incidents";
import { listPeople, type Person } from "../../api/people";
import { detectedMs } from "../../model/incidents";
import { formatDateTime, formatTime, zoneName } from "../../model/time";
import { durationText } from "../../ui/age";
import { Doubt } from "../../ui/doubt";
import { useSession } from "../../ui/session";
import { SeverityBadge } from "../../ui/severity";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";
import { MessageList } from "../messages/list";
import { Actions, CommentBox } from "./actions";
import { causeSentences } from "./cause";
import { Entries, personText } from "./entries";
import { CaseEvidence, ThresholdEvidence } from "./evidence";
import { Lasted, StateWord, subjectText, Told } from "./words";

const REFRESH_MS = 5_000;

function Header({ incident, people }: { incident: IncidentDetail; people: readonly Person[] }): ReactElement {
  const { t } = useTranslation();
  const { zone } = incident;
  const subject = subjectText(incident);
  return (
    <>
      <p className="crumbs"><Link href="/incidents">{t("nav.incidents")}</Link> <span aria-hidden="true">/</span> {incident.id}</p>
      <div className="site-title">
        <h1>{incident.rule_name || incident.rule}</h1>
        <SeverityBadge severity={incident.severity} />
        <StateWord incident={incident} />
      </div>
      {incident.merged_into !== null && <p className="notice is-late">{t("incident.merged_into")} <Link href={`/incidents/${incident.merged_into}`}>{incident.merged_into}</Link></p>}
      {incident.state === "withdrawn" && <p className="notice is-late">{t("incident.withdrawn_text")}</p>}
      <dl className="facts is-inline">
        <div><dt>{t("work.site")}</dt><dd><Link href={`/sites/${encodeURIComponent(incident.site)}`}>{incident.site_name || incident.site}</Link></dd></div>
        {subject !== "" && <div><dt>{t("incident.subject")}</dt><dd>{subject}</dd></div>}
        <div><dt>{t("incident.begin")}</dt><dd className="is-tabular">{formatDateTime(incident.begin_unix_ms, zone)}<Doubt ms={incident.clock_doubt_ms} /></dd></div>
        <div><dt>{t("incident.end")}</dt><dd className="is-tabular">{incident.end_unix_ms === null ? t("incident.still") : formatDateTime(incident.end_unix_ms, zone)}</dd></div>
        <div><dt>{t("incident.lasted")}</dt><dd><Lasted incident={incident} /></dd></div>
        <div><dt>{t("incident.told")}</dt><dd><Told notice={incident.notice} /></dd></div>
        <div><dt>{t("incident.assignee")}</dt><dd>{personText(incident.assignee, people, t)}</dd></div>
        <div><dt>{t("work.rule")}</dt><dd><Link href={`/rules/${encodeURIComponent(incident.rule)}?site=${encodeURIComponent(incident.site)}`}>{incident.rule_name || incident.rule}</Link> <span className="is-faint">{t("work.version_n", { n: incident.rule_version })}</span></dd></div>
      </dl>
    </>
  );
}

function Cause({ incident }: { incident: IncidentDetail }): ReactElement {
  const { t } = useTranslation();
  const { zone, explanation, known_unix_ms: knownMs } = incident;
  const at = detectedMs(explanation, incident.begin_unix_ms);
  const lag = knownMs - at;
  const isSameDay = formatDateTime(at, zone).slice(0, 10) === formatDateTime(knownMs, zone).slice(0, 10);
  return (
    <section className="panel" aria-labelledby="cause">
      <h2 id="cause">{t("cause.title")}</h2>
      <div className="cause">{causeSentences(explanation, zone, t).map((s) => <p key={s}>{s}</p>)}</div>
      <p className="cause-known">
        {t("incident.detected", {
          site: isSameDay ? formatTime(at, zone) : formatDateTime(at, zone),
          here: isSameDay ? formatTime(knownMs, zone) : formatDateTime(knownMs, zone),
        })}
        {lag >= 1_000 && <> {t("incident.lag", { span: durationText(lag, t) })}</>}
      </p>
      {explanation?.kind === "threshold" && <ThresholdEvidence incident={incident} facts={explanation} />}
      {explanation?.kind === "case_open" && <CaseEvidence incident={incident} facts={explanation} />}
    </section>
  );
}

function Content({ incident, people, onChanged }: { incident: IncidentDetail; people: readonly Person[]; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isOperator } = useSession();
  return (
    <>
      <Header incident={incident} people={people} />
      {isOperator && <Actions incident={incident} people={people} onChanged={onChanged} />}
      <Cause incident={incident} />
      <div className="columns">
        <section className="panel">
          <h2>{t("incident.history")}</h2>
          <Entries entries={incident.entries} zone={incident.zone} people={people} />
          {isOperator && <CommentBox incident={incident} onChanged={onChanged} />}
        </section>
        <section className="panel">
          <h2>{t("incident.messages")}</h2>
          {incident.messages.length === 0 ? <p className="is-faint">{t("incident.no_messages")}</p> : <MessageList messages={incident.messages} zone={incident.zone} withIncident={false} />}
        </section>
      </div>
      <p className="list-note">{t("work.times_in", { zone: zoneName(incident.begin_unix_ms, incident.zone) })}</p>
    </>
  );
}

export default function IncidentPage({ id }: { id: string }): ReactElement {
  const people = usePoll(listPeople, { key: "people", intervalMs: 120_000 });
  const polled = usePoll((signal) => getIncident(id, signal), { key: id, intervalMs: REFRESH_MS });
  return (
    <View polled={polled}>
      {(incident) => <Content incident={incident} people={people.value ?? []} onChanged={polled.refresh} />}
    </View>
  );
}
