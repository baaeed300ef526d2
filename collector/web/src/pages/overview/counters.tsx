// The answer in one line, and the four states as numbers that are also filters.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Overview } from "../../api/overview";
import { countLate, type OverviewFilter } from "../../model/overview";
import { StateIcon } from "../../ui/state_badge";

const ORDER = ["down", "unknown", "late", "up", "never"] as const;
type Counter = (typeof ORDER)[number];

function counts(overview: Overview, nowMs: number): Record<Counter, number> {
  const { down, unknown, up, never } = overview.totals;
  return { down, unknown, up, never, late: countLate(overview.sites, nowMs) };
}

export function Headline({ overview, nowMs }: { overview: Overview; nowMs: number }): ReactElement {
  const { t } = useTranslation();
  const n = counts(overview, nowMs);
  const incidents = overview.sites.reduce((sum, s) => sum + s.incidents.critical + s.incidents.warning + s.incidents.info, 0);
  const isWell = n.up === overview.totals.sites && n.late === 0;
  const parts = ORDER.filter((c) => n[c] > 0).map((c) => t(`overview.part_${c}`, { count: n[c] }));
  return (
    <p className="headline">
      {isWell ? t("overview.all_well", { count: n.up }) : t("overview.headline", { parts: parts.join(t("overview.join")) })}
      {incidents > 0 && <> <Link href="/incidents">{t("overview.incidents_live", { count: incidents })}</Link></>}
    </p>
  );
}

interface Props {
  overview: Overview;
  nowMs: number;
  active: OverviewFilter["state"];
  onPick: (state: OverviewFilter["state"]) => void;
}

export function Counters({ overview, nowMs, active, onPick }: Props): ReactElement {
  const { t } = useTranslation();
  const n = counts(overview, nowMs);
  return (
    <div className="counters" role="group" aria-label={t("overview.counters")}>
      {ORDER.map((counter) => (
        <button
          key={counter}
          type="button"
          className={`counter is-${counter}${n[counter] === 0 ? " is-zero" : ""}`}
          aria-pressed={active === counter}
          title={`${t(`state.${counter}_help`)} ${t("overview.filter_by", { state: t(`state.${counter}`) })}`}
          onClick={() => onPick(active === counter ? null : counter)}
        >
          <span className="counter-name"><StateIcon state={counter} /> {t(`state.${counter}`)}</span>
          <span className="counter-number">{n[counter]}</span>
        </button>
      ))}
    </div>
  );
}
