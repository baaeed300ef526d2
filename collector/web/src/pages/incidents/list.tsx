// Incidents in rows or cards; also on a site's page, where the site need not be named again.

import { useMemo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Incident } from "../../api/incidents";
import type { Person } from "../../api/people";
import { urgentFirst } from "../../model/incidents";
import { DataTable, type Column } from "../../ui/data_table";
import { SeverityBadge } from "../../ui/severity";
import { personText } from "./entries";
import { KnownSince, SpanCell, StateWord, subjectText, Told } from "./words";

interface Props {
  incidents: readonly Incident[];
  people: readonly Person[];
  withSite: boolean;
}

function What({ incident }: { incident: Incident }): ReactElement {
  const subject = subjectText(incident);
  return (
    <div className="site-name">
      <Link href={`/incidents/${incident.id}`}>{incident.rule_name || incident.rule}</Link>
      {subject !== "" && <div className="site-sub"><span>{subject}</span></div>}
    </div>
  );
}

export function IncidentList({ incidents, people, withSite }: Props): ReactElement {
  const { t } = useTranslation();
  const rows = useMemo(() => urgentFirst(incidents), [incidents]);
  const site: Column<Incident>[] = withSite
    ? [{ key: "site", title: t("work.site"), width: 170, render: (i) => <Link className="is-broken" href={`/sites/${encodeURIComponent(i.site)}`}>{i.site_name || i.site}</Link> }]
    : [];
  const columns: Column<Incident>[] = [
    { key: "what", title: t("incident.what"), render: (i) => <What incident={i} /> },
    { key: "severity", title: t("work.severity"), width: 105, render: (i) => <SeverityBadge severity={i.severity} /> },
    ...site,
    { key: "span", title: t("incident.span"), width: 200, render: (i) => <SpanCell incident={i} /> },
    { key: "known", title: t("incident.known"), width: 110, render: (i) => <KnownSince incident={i} /> },
    { key: "told", title: t("incident.told"), width: 95, render: (i) => <Told notice={i.notice} /> },
    { key: "state", title: t("work.state"), width: 120, render: (i) => <StateWord incident={i} /> },
    { key: "who", title: t("incident.assignee"), width: 95, render: (i) => personText(i.assignee, people, t) },
  ];
  return <DataTable keyOf={(i) => String(i.id)} columns={columns} rows={rows} minWidth={withSite ? 1060 : 900} />;
}
