// One case: its steps as a waterfall, what it carried along, its incidents, and every event of it.

import "./cases.css";
import "../../i18n/work";

import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { getCase, type CaseDetail, type CaseEvent, type CaseWait } from "../../api/cases";
import { listPeople } from "../../api/people";
import { listRules } from "../../api/rules";
import { bar, isOver, lengthMs, limitsByProcess, stepBars, type StepBar } from "../../model/cases";
import { formatDateTime, formatTime, validZone, zoneName } from "../../model/time";
import { durationText } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { Doubt } from "../../ui/doubt";
import { useNowMs } from "../../ui/now";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";
import { useProcessName, useSites } from "../definitions/fields";
import { IncidentList } from "../incidents/list";
import { Attributes, attributeText } from "./attributes";
import { Scale } from "./timeline";

const REFRESH_MS = 10_000;

function stepWords(b: StepBar, zone: string, t: TFunction): string {
  if (b.kind === "no_begin") {
    return t("case.no_begin", { time: formatTime(b.endMs, zone) });
  }
  return b.kind === "open" ? t("case.step_open", { time: formatTime(b.beginMs, zone) })
    : `${durationText(b.durationMs ?? 0, t)} · ${formatTime(b.beginMs, zone)} – ${formatTime(b.endMs, zone)}`;
}

function Waterfall({ detail, zone, nowMs }: { detail: CaseDetail; zone: string; nowMs: number }): ReactElement {
  const { t } = useTranslation();
  const bars = stepBars(detail, nowMs);
  const fromMs = Math.min(detail.begin_unix_ms, ...bars.map((b) => b.beginMs));
  const toMs = Math.max(detail.end_unix_ms ?? nowMs, fromMs + 1000, ...bars.map((b) => b.endMs));
  if (bars.length === 0) {
    return <p className="is-faint">{t("case.no_steps")}</p>;
  }
  return (
    <div className="lanes-frame">
      <ol className="lanes is-steps">
        {bars.map((b, i) => {
          const at = bar(b.beginMs, b.endMs, fromMs, toMs);
          return (
            <li key={`${b.step.step}:${b.beginMs}:${i}`} className="lane">
              <div className="lane-name"><strong>{b.step.step}</strong><span className="site-sub">{b.step.device}</span></div>
              <div className="lane-track"><span className={`lane-bar is-${b.kind}`} style={{ left: `${at.leftPct}%`, width: `${at.widthPct}%` }} /></div>
              <span className="lane-words">{stepWords(b, zone, t)}<Doubt ms={b.step.uncertainty_ms} /></span>
              {Object.keys(b.step.attrs).length > 0 && <div className="lane-attrs"><Attributes attrs={b.step.attrs} /></div>}
            </li>
          );
        })}
      </ol>
      <div className="lane is-scale"><span /><Scale fromMs={fromMs} toMs={toMs} zone={zone} /></div>
    </div>
  );
}

function attributesText(attrs: CaseEvent["attrs"]): string {
  return Object.entries(attrs).map(([k, v]) => `${k}: ${attributeText(v)}`).join(" · ");
}

const TYPES = { "step.begin": "begin", "step.end": "end", "step.event": "event" } as const;

function Events({ events, zone }: { events: readonly CaseEvent[]; zone: string }): ReactElement {
  const { t } = useTranslation();
  const typeText = (type: string): string => (Object.hasOwn(TYPES, type) ? t(`case.type_${TYPES[type as keyof typeof TYPES]}`) : type);
  const rows = events.map((e, n) => ({ ...e, n }));
  const columns: Column<CaseEvent & { n: number }>[] = [
    { key: "time", title: t("event.time"), width: 190, render: (e) => <span className="is-tabular">{formatDateTime(e.unix_ms, zone)}<Doubt ms={e.uncertainty_ms} /></span> },
    { key: "type", title: t("event.type"), width: 140, render: (e) => typeText(e.type) },
    { key: "step", title: t("case.step"), width: 160, render: (e) => e.step },
    { key: "device", title: t("kpi.device"), width: 200, render: (e) => e.device },
    { key: "attrs", title: t("event.details"), isWide: true, render: (e) => attributesText(e.attrs) === "" ? "" : <span className="is-broken">{attributesText(e.attrs)}</span> },
  ];
  return <DataTable keyOf={(e) => String(e.n)} columns={columns} rows={rows} minWidth={860} />;
}

/** A limit that has passed without a verdict: what is waited for. */
export function Wait({ wait, ruleName, zone }: { wait: CaseWait; ruleName: string; zone: string }): ReactElement {
  const { t } = useTranslation();
  const devices = wait.devices.map((d) =>
    d.known_until_unix_ms === null ? t("case.waits_nothing", { name: d.name }) : t("case.waits_until", { name: d.name, time: formatDateTime(d.known_until_unix_ms, zone) }));
  return (
    <div className="notice is-late" role="status">
      <p><b>{t("case.waits", { rule: ruleName, time: formatDateTime(wait.deadline_unix_ms, zone) })}</b></p>
      <p>{devices.length > 0 ? t("case.waits_for", { devices: devices.join(t("work.and")) }) : t(wait.more ? "case.waits_many" : "case.waits_soon")}</p>
      {devices.length > 0 && wait.more && <p>{t("case.waits_more")}</p>}
      {devices.length > 0 && <p className="is-faint">{t("case.waits_help")}</p>}
    </div>
  );
}

function Content({ detail }: { detail: CaseDetail }): ReactElement {
  const { t } = useTranslation();
  const site = useSites().find((s) => s.id === detail.site);
  const zone = validZone(site?.zone ?? "UTC");
  const processName = useProcessName();
  const nowMs = Math.max(useNowMs(10_000), detail.begin_unix_ms);
  const rules = usePoll(listRules, { key: "rules", intervalMs: 120_000 }).value ?? [];
  const people = usePoll(listPeople, { key: "people", intervalMs: 120_000 }).value ?? [];
  const passed = detail.waits.filter((w) => w.deadline_unix_ms < nowMs);
  const next = detail.waits.find((w) => w.deadline_unix_ms >= nowMs);
  const over = isOver(detail, limitsByProcess(rules), nowMs);
  return (
    <>
      <p className="crumbs">
        <Link href={`/sites/${encodeURIComponent(detail.site)}?view=cases`}>{site?.name ?? detail.site}</Link> <span aria-hidden="true">/</span> <Link href="/cases">{t("nav.cases")}</Link> <span aria-hidden="true">/</span>
      </p>
      <div className="site-title">
        <h1>{detail.case}</h1>
        <span className={`incident-state is-${detail.end_unix_ms === null ? "acknowledged" : "resolved"}`}>{t(detail.end_unix_ms === null ? "case.open" : "case.ended")}</span>
        {over && <span className="is-bad">{t("case.over")}</span>}
      </div>
      <dl className="facts is-inline">
        <div><dt>{t("case.process")}</dt><dd>{processName(detail.process)}</dd></div>
        {detail.status !== "" && <div><dt>{t("case.status")}</dt><dd>{detail.status}</dd></div>}
        <div><dt>{t("incident.begin")}</dt><dd className="is-tabular">{formatDateTime(detail.begin_unix_ms, zone)}</dd></div>
        <div><dt>{t("incident.end")}</dt><dd className="is-tabular">{detail.end_unix_ms === null ? t("case.not_ended") : formatDateTime(detail.end_unix_ms, zone)}</dd></div>
        <div><dt>{t("incident.lasted")}</dt><dd>{durationText(lengthMs(detail, nowMs), t)}</dd></div>
        {next !== undefined && <div><dt>{t("case.limit")}</dt><dd className="is-tabular">{formatDateTime(next.deadline_unix_ms, zone)}</dd></div>}
      </dl>
      {passed.map((w) => <Wait key={w.rule} wait={w} ruleName={rules.find((r) => r.id === w.rule)?.name ?? w.rule} zone={zone} />)}
      <section className="panel">
        <h2>{t("case.steps")}</h2>
        <Waterfall detail={detail} zone={zone} nowMs={nowMs} />
      </section>
      {Object.keys(detail.attrs).length > 0 && (
        <section className="panel">
          <h2>{t("case.attributes")}</h2>
          <Attributes attrs={detail.attrs} />
        </section>
      )}
      {detail.incidents.length > 0 && (
        <section>
          <h2>{t("nav.incidents")}</h2>
          <IncidentList incidents={detail.incidents} people={people} withSite={false} />
        </section>
      )}
      <section>
        <h2>{t("case.events")}</h2>
        <p className="list-note">{t("work.times_in", { zone: zoneName(detail.begin_unix_ms, zone) })}</p>
        <Events events={detail.event_list} zone={zone} />
      </section>
    </>
  );
}

export default function CasePage({ no }: { no: string }): ReactElement {
  const polled = usePoll((signal) => getCase(no, signal), { key: no, intervalMs: REFRESH_MS });
  return <View polled={polled}>{(detail) => <Content detail={detail} />}</View>;
}
