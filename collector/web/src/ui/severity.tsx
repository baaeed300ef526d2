// How bad an incident is: a shape, a word and a colour; and how many of each a site has.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Severity } from "../api/rules";

const SHAPE: Record<Severity, ReactElement> = {
  critical: <path d="M8 1.8l6.4 11.6H1.6zM8 6v3.6M8 11.6v.2" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" />,
  warning: <path d="M8 1.6l6.4 6.4L8 14.4 1.6 8zM8 5v3.4M8 10.8v.2" fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round" strokeLinejoin="round" />,
  info: <g fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round"><circle cx="8" cy="8" r="6.2" /><path d="M8 7.4v3.6M8 4.8v.2" /></g>,
};

function SeverityIcon({ severity }: { severity: Severity }): ReactElement {
  return <svg className="state-icon" width="14" height="14" viewBox="0 0 16 16" aria-hidden="true">{SHAPE[severity]}</svg>;
}

export function SeverityBadge({ severity }: { severity: Severity }): ReactElement {
  const { t } = useTranslation();
  return <span className={`state-badge is-${severity}`}><SeverityIcon severity={severity} />{t(`severity.${severity}`)}</span>;
}

const ORDER: readonly Severity[] = ["critical", "warning", "info"];

/** A site's live incidents by severity, as one link to their list; nothing where there is none. */
export function IncidentCounts({ site, name, counts }: { site: string; name: string; counts: Record<Severity, number> }): ReactElement | null {
  const { t } = useTranslation();
  const shown = ORDER.filter((s) => counts[s] > 0);
  if (shown.length === 0) {
    return null;
  }
  const words = shown.map((s) => t("overview.incidents_count", { severity: t(`severity.${s}`), count: counts[s] })).join(t("overview.join"));
  return (
    <Link href={`/incidents?site=${encodeURIComponent(site)}`} className="incident-counts" aria-label={t("overview.incidents_of", { site: name, counts: words })} title={words}>
      {shown.map((s) => <span key={s} className={`state-badge is-${s}`}><SeverityIcon severity={s} />{counts[s]}</span>)}
    </Link>
  );
}
