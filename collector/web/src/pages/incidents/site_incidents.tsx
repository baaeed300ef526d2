// The incidents of one site, on its page: live ones, or all.

import "./incidents.css";

import { Segmented } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link, useSearchParams } from "wouter";

import { listIncidents } from "../../api/incidents";
import { listPeople } from "../../api/people";
import { incidentQuery, readIncidentFilter } from "../../model/incidents";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { IncidentList } from "./list";

export default function SiteIncidents({ site }: { site: string }): ReactElement {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const state = params.get("state") === "all" ? "all" : "live";
  const query = incidentQuery({ ...readIncidentFilter(new URLSearchParams()), state, site }, "");
  const people = usePoll(listPeople, { key: "people", intervalMs: 120_000 });
  const polled = usePoll((signal) => listIncidents(query, signal), { key: JSON.stringify(query), intervalMs: 5_000 });
  const show = (next: "live" | "all"): void => setParams({ view: "incidents", ...(next === "all" ? { state: "all" } : {}) }, { replace: true });
  return (
    <>
      <div className="filters">
        <Segmented<"live" | "all"> aria-label={t("work.state")} value={state} onChange={show} options={(["live", "all"] as const).map((value) => ({ value, label: t(`incident.state_${value}`) }))} />
        <Link href={`/incidents?site=${encodeURIComponent(site)}`}>{t("incident.filter_more")}</Link>
      </div>
      <View polled={polled} isEmpty={(p) => p.items.length === 0} empty={<Empty title={t(state === "live" ? "incident.none_live" : "incident.none_here")} />}>
        {(page) => <IncidentList incidents={page.items} people={people.value ?? []} withSite={false} />}
      </View>
    </>
  );
}
