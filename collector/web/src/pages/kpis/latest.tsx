// A KPI's newest whole window at every site, in one line: how many keep to the target, and which are worst.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { latestCells, type Cell, type Kpi } from "../../api/kpis";
import { formatAmount } from "../../model/amounts";
import { meetsTarget } from "../../model/cells";
import { errorText } from "../../ui/error_text";
import { StateIcon } from "../../ui/state_badge";
import { usePoll } from "../../ui/use_poll";

const REFRESH_MS = 30_000;
const WORST = 3;

/** Worst first: misses before meets, then by distance; without a target the highest first. */
export function worstCells(cells: readonly Cell[], kpi: Pick<Kpi, "target" | "good">): Cell[] {
  const sign = kpi.good === "high" ? 1 : -1;
  return cells.filter((c) => c.value !== null).sort((a, b) => sign * ((a.value ?? 0) - (b.value ?? 0)) || a.site.localeCompare(b.site));
}

export function Latest({ kpi, names }: { kpi: Kpi; names: ReadonlyMap<string, string> }): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll((signal) => latestCells(kpi.id, kpi.resolution, signal), { key: `${kpi.id}|${kpi.version}`, intervalMs: REFRESH_MS, enabled: kpi.enabled });
  if (!kpi.enabled) {
    return <span className="is-faint">{t("kpi.not_on")}</span>;
  }
  if (polled.value === undefined) {
    return <span className="is-faint">{polled.poll.error === undefined ? t("view.loading") : errorText(polled.poll.error, t)}</span>;
  }
  const known = worstCells(polled.value.items, kpi);
  if (known.length === 0) {
    return <span className="is-faint">{t("kpi.no_latest")}</span>;
  }
  const met = known.filter((c) => meetsTarget(c.value, kpi.target, kpi.good) === true).length;
  const hasTarget = kpi.target !== null && kpi.good !== null;
  return (
    <div className={`latest${polled.kind === "stale" ? " is-stale" : ""}`}>
      {hasTarget && (
        <span className={met === known.length ? "is-good" : "is-bad"}>
          <StateIcon state={met === known.length ? "up" : "down"} /> {t("kpi.met", { count: met, all: known.length })}
        </span>
      )}
      <span className="latest-sites">
        {known.slice(0, WORST).map((c) => (
          <Link key={c.site} href={`/kpis/${encodeURIComponent(kpi.id)}?site=${encodeURIComponent(c.site)}`}>
            {names.get(c.site) ?? c.site} <strong className={meetsTarget(c.value, kpi.target, kpi.good) === false ? "is-bad is-tabular" : "is-tabular"}>{formatAmount(c.value, kpi.unit)}</strong>
          </Link>
        ))}
        {known.length > WORST && <span className="is-faint">{t("kpi.more_sites", { count: known.length - WORST })}</span>}
      </span>
      {polled.kind === "stale" && <span>{t("view.stale_short")}</span>}
    </div>
  );
}
