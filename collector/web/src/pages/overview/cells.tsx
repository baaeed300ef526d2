// The pieces that a row of the table and a card of the phone layout share.

import { Tooltip } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { OverviewSite } from "../../api/overview";
import { incidentWeight, lateByMs, tagText } from "../../model/overview";
import { formatValue } from "../../model/units";
import { spanText } from "../../ui/age";
import { IncidentCounts } from "../../ui/severity";
import { StateBadge } from "../../ui/state_badge";

export function SiteName({ site }: { site: OverviewSite }): ReactElement {
  const tags = Object.entries(site.tags).map(([k, v]) => tagText(k, v));
  return (
    <div className="site-name">
      <Link href={`/sites/${encodeURIComponent(site.id)}`}>{site.name}</Link>
      <div className="site-sub">
        {site.region !== "" && <span>{site.region}</span>}
        {tags.map((tag) => <span key={tag} className="tag">{tag}</span>)}
      </div>
    </div>
  );
}

export function SiteStateCell({ site, nowMs }: { site: OverviewSite; nowMs: number }): ReactElement {
  return (
    <span className="badges">
      <StateBadge state={site.state} />
      {lateByMs(site, nowMs) > 0 && <StateBadge state="late" />}
    </span>
  );
}

export function Matter({ site, nowMs }: { site: OverviewSite; nowMs: number }): ReactElement {
  const { t, i18n } = useTranslation();
  const said: string[] = [];
  if (site.state === "never") {
    said.push(t("overview.matter_never"));
  }
  if (site.state === "unknown") {
    const heard = site.last_seen_unix_ms ?? site.data_until_unix_ms;
    said.push(heard === null ? t("overview.matter_never") : t("overview.matter_silent", { span: spanText(nowMs - heard, t) }));
  }
  if (site.probes.failing > 0) {
    said.push(t("overview.matter_probes", { count: site.probes.failing }));
  }
  const late = lateByMs(site, nowMs);
  if (late > 0) {
    said.push(t("overview.matter_late", { span: spanText(late, t) }));
  }
  if (site.backlog.devices > 0) {
    said.push(t("overview.matter_filling", { count: site.backlog.batches, batches: site.backlog.batches.toLocaleString(i18n.language) }));
  }
  return said.length === 0 ? <span className="is-faint">{t("overview.matter_none")}</span> : <span>{said.join(t("overview.join"))}</span>;
}

export function Probes({ site }: { site: OverviewSite }): ReactElement {
  const { t } = useTranslation();
  const { ok, failing, unknown } = site.probes;
  const all = ok + failing + unknown;
  if (all === 0) {
    return <span className="is-faint">{t("overview.no_probes")}</span>;
  }
  return (
    <span>
      {unknown < all && <span className={failing > 0 ? "is-bad" : undefined}>{t("overview.probes_failing", { failing, all })}</span>}
      {unknown > 0 && <span className="is-faint">{unknown < all && " · "}{t("overview.probes_unknown", { count: unknown })}</span>}
    </span>
  );
}

export function Incidents({ site }: { site: OverviewSite }): ReactElement {
  const { t } = useTranslation();
  return incidentWeight(site) === 0
    ? <span className="is-faint">{t("overview.no_incidents")}</span>
    : <IncidentCounts site={site.id} name={site.name} counts={site.incidents} />;
}

export function Devices({ site }: { site: OverviewSite }): ReactElement {
  const { t } = useTranslation();
  const { up, down, unknown, never } = site.devices;
  return <span>{t("overview.devices_of", { up: up + down, all: up + down + unknown + never })}</span>;
}

/** A percentage as number and bar; old or missing values are hatched, never an empty bar that reads as zero. */
export function Meter({ value, isCurrent, label }: { value: number | null; isCurrent: boolean; label: string }): ReactElement {
  const { t } = useTranslation();
  if (value === null || !isCurrent) {
    return (
      <Tooltip title={t("time.unknown")}>
        <span className="meter is-unknown">
          <span className="visually-hidden">{`${label}: ${t("time.unknown")}`}</span>
          <span className="meter-track" />
        </span>
      </Tooltip>
    );
  }
  const level = value >= 95 ? " is-high" : value >= 85 ? " is-warm" : "";
  return (
    <span className={`meter${level}`}>
      <span className="meter-number">{formatValue(Math.round(value), "pct")}</span>
      <span className="meter-track" aria-hidden="true">
        <span className="meter-bar" style={{ width: `${Math.min(100, Math.max(0, value))}%` }} />
      </span>
    </span>
  );
}
