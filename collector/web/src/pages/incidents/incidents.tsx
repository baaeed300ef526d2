// All incidents: filters in the URL, live ones first, refreshed by itself.

import "./incidents.css";

import { Button, Select, Switch } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "wouter";

import { listIncidents, type Incidents as IncidentsPage } from "../../api/incidents";
import { listPeople } from "../../api/people";
import { listRules, SEVERITIES, type Severity } from "../../api/rules";
import { listSites } from "../../api/sites";
import { incidentQuery, readIncidentFilter, STATE_CHOICES, writeIncidentFilter, type IncidentFilter } from "../../model/incidents";
import { browserZone, formatTime } from "../../model/time";
import { Paging } from "../../ui/paging";
import { useSession } from "../../ui/session";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { IncidentList } from "./list";

const REFRESH_MS = 5_000;
const NAMES_MS = 120_000;

interface FilterProps {
  filter: IncidentFilter;
  onFilter: (filter: IncidentFilter) => void;
}

function Filters({ filter, onFilter }: FilterProps): ReactElement {
  const { t } = useTranslation();
  const sites = usePoll((signal) => listSites(false, signal), { key: "sites", intervalMs: NAMES_MS });
  const rules = usePoll(listRules, { key: "rules", intervalMs: NAMES_MS });
  const change = (part: Partial<IncidentFilter>): void => onFilter({ ...filter, ...part, before: null });
  const named = (list: readonly { id: string; name: string }[] | undefined): { value: string; label: string }[] =>
    (list ?? []).map((x) => ({ value: x.id, label: x.name }));
  const isActive = filter.state !== "live" || filter.severity !== null || filter.site !== null || filter.rule !== null || filter.mine;
  return (
    <div className="filters" role="search">
      <Select className="filter-select is-short" aria-label={t("work.state")} value={filter.state}
        options={STATE_CHOICES.map((value) => ({ value, label: t(`incident.state_${value}`) }))} onChange={(state) => change({ state })} />
      <Select className="filter-select is-short" allowClear aria-label={t("work.severity")} placeholder={t("work.all_severities")} value={filter.severity}
        options={SEVERITIES.map((value) => ({ value, label: t(`severity.${value}`) }))} onChange={(v: Severity | undefined) => change({ severity: v ?? null })} />
      <Select className="filter-select" allowClear showSearch={{ optionFilterProp: "label" }} aria-label={t("work.site")} placeholder={t("work.all_sites")} value={filter.site}
        options={named(sites.value)} onChange={(v: string | undefined) => change({ site: v ?? null })} />
      <Select className="filter-select" allowClear showSearch={{ optionFilterProp: "label" }} aria-label={t("work.rule")} placeholder={t("work.all_rules")} value={filter.rule}
        options={named(rules.value)} onChange={(v: string | undefined) => change({ rule: v ?? null })} />
      <label className="switch"><Switch size="small" checked={filter.mine} onChange={(mine) => change({ mine })} /> {t("incident.mine")}</label>
      {isActive && <Button type="link" onClick={() => onFilter(readIncidentFilter(new URLSearchParams()))}>{t("work.clear")}</Button>}
    </div>
  );
}

export default function Incidents(): ReactElement {
  const { t } = useTranslation();
  const { me } = useSession();
  const [params, setParams] = useSearchParams();
  const filter = readIncidentFilter(params);
  const onFilter = (next: IncidentFilter): void => setParams(writeIncidentFilter(next), { replace: true });
  const query = incidentQuery(filter, me.name);
  const people = usePoll(listPeople, { key: "people", intervalMs: NAMES_MS });
  const polled = usePoll((signal) => listIncidents(query, signal), { key: JSON.stringify(query), intervalMs: REFRESH_MS });
  const shown = (page: IncidentsPage): IncidentsPage["items"] => page.items.filter((i) => filter.severity === null || i.severity === filter.severity);
  const isPlain = filter.state === "live" && filter.severity === null && filter.site === null && filter.rule === null && !filter.mine;
  return (
    <>
      <h1>{t("nav.incidents")}</h1>
      <Filters filter={filter} onFilter={onFilter} />
      <View polled={polled}>
        {(page) => (
          <>
            <p className="list-note">
              {t("incident.shown", { count: shown(page).length })} · {t("work.zone_of_site")}
              {polled.poll.atMs !== undefined && <>{" · "}{t("view.refreshed", { time: formatTime(polled.poll.atMs, browserZone()) })}</>}
            </p>
            {shown(page).length === 0
              ? <Empty title={isPlain ? t("incident.none_live") : t("work.none_match")}>{isPlain && <p>{t("incident.none_live_text")}</p>}</Empty>
              : <IncidentList incidents={shown(page)} people={people.value ?? []} withSite />}
            <Paging next={page.next} before={filter.before} onPage={(before) => onFilter({ ...filter, before })} />
          </>
        )}
      </View>
    </>
  );
}
