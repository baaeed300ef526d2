// Cases as bars over one stretch of time, on the site's clock: open ones have no end, those over their limit say so.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Case } from "../../api/cases";
import { bar, isOver, lengthMs } from "../../model/cases";
import { tickLabels, timeTicks } from "../../model/ticks";
import { formatDateTime } from "../../model/time";
import { durationText } from "../../ui/age";

interface Props {
  cases: readonly Case[];
  limits: ReadonlyMap<string, number>;
  fromMs: number;
  toMs: number;
  nowMs: number;
  zoneOf: (site: string) => string;
  /** null: the rows name their sites. */
  site: string | null;
  siteName: (site: string) => string;
  processName: (process: string) => string;
}

export function Scale({ fromMs, toMs, zone }: { fromMs: number; toMs: number; zone: string }): ReactElement {
  // A mark too near the end has no room for its words.
  const ticks = timeTicks(fromMs, toMs, zone, 640).filter((tick) => tick < toMs - (toMs - fromMs) * 0.14);
  const labels = tickLabels(ticks, zone);
  return (
    <div className="lane-scale" aria-hidden="true">
      {ticks.map((tick, i) => <span key={tick} style={{ left: `${(100 * (tick - fromMs)) / (toMs - fromMs)}%` }}>{labels[i]}</span>)}
    </div>
  );
}

function Row({ item, props }: { item: Case; props: Props }): ReactElement {
  const { t } = useTranslation();
  const { limits, fromMs, toMs, nowMs, zoneOf, site, siteName, processName } = props;
  const zone = zoneOf(item.site);
  const isOpen = item.end_unix_ms === null;
  const over = isOver(item, limits, nowMs);
  const b = bar(item.begin_unix_ms, item.end_unix_ms ?? nowMs, fromMs, toMs);
  const limit = limits.get(item.process);
  const deadline = limit === undefined ? null : item.begin_unix_ms + limit;
  const words = [
    formatDateTime(item.begin_unix_ms, zone), isOpen ? t("case.open_since", { span: durationText(lengthMs(item, nowMs), t) }) : t("case.took", { span: durationText(lengthMs(item, nowMs), t) }),
    ...(over ? [t("case.over")] : []), ...(item.status === "" ? [] : [item.status]),
  ].join(" · ");
  return (
    <li className="lane">
      <div className="lane-name">
        <Link href={`/cases/${item.no}`}>{item.case}</Link>
        <span className="site-sub">{site === null && <span>{siteName(item.site)}</span>}<span>{processName(item.process)}</span></span>
      </div>
      <div className="lane-track">
        <span className={`lane-bar${isOpen ? " is-open" : ""}${over ? " is-over" : ""}${b.cutLeft ? " is-cut" : ""}`} style={{ left: `${b.leftPct}%`, width: `${b.widthPct}%` }} title={words} />
        {deadline !== null && deadline >= fromMs && deadline <= Math.min(toMs, item.end_unix_ms ?? nowMs) && (
          <i className="lane-limit" style={{ left: `${(100 * (deadline - fromMs)) / (toMs - fromMs)}%` }} title={t("case.limit_at", { time: formatDateTime(deadline, zone) })} />
        )}
      </div>
      <span className="lane-words">{words}</span>
    </li>
  );
}

export function Timeline(props: Props): ReactElement {
  const { t } = useTranslation();
  const { cases, fromMs, toMs, zoneOf, site } = props;
  const zone = site === null ? (cases[0] === undefined ? "UTC" : zoneOf(cases[0].site)) : zoneOf(site);
  const isOneZone = cases.every((c) => zoneOf(c.site) === zone);
  return (
    <div className="lanes-frame">
      <div className="run-key">
        <span><i className="lane-swatch" /> {t("case.ended")}</span>
        <span><i className="lane-swatch is-open" /> {t("case.open")}</span>
        <span><i className="lane-swatch is-over" /> {t("case.over")}</span>
        <span><i className="lane-swatch is-limit" /> {t("case.limit")}</span>
      </div>
      <ul className="lanes">{cases.map((c) => <Row key={c.no} item={c} props={props} />)}</ul>
      {isOneZone && <div className="lane is-scale"><span /><Scale fromMs={fromMs} toMs={toMs} zone={zone} /></div>}
    </div>
  );
}
