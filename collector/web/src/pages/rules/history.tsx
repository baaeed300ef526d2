// Why a rule fired or did not: a strip a site of what it saw, and the runs of one site in words.

import { Segmented } from "antd";
import type { TFunction } from "i18next";
import { useMemo, useRef, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link, useSearchParams } from "wouter";

import { serverNowMs } from "../../api/http";
import { listRuns, type Rule, type Run } from "../../api/rules";
import type { Site } from "../../api/sites";
import { useSeen } from "../../chart/use_seen";
import { formatShare } from "../../model/amounts";
import { inScope } from "../../model/kpi_view";
import { readRunRange, RUN_RANGES, runSegments, shareOf, type RunRange, type RunSegment } from "../../model/runs";
import { formatDateTime, validZone } from "../../model/time";
import { DataTable, type Column } from "../../ui/data_table";
import { usePoll, type Polled } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { useSites } from "../definitions/fields";
import { runWords } from "./words";

interface Asked {
  fromMs: number;
  toMs: number;
  runs: Run[];
}

function useRuns(rule: Rule, site: string, range: RunRange, enabled: boolean): Polled<Asked> {
  return usePoll(
    async (signal) => {
      const toMs = Math.ceil(serverNowMs() / 60_000) * 60_000;
      const fromMs = toMs - RUN_RANGES[range];
      const res = await listRuns(rule.id, site, fromMs, toMs, signal);
      return res.ok ? { ok: true as const, value: { fromMs, toMs, runs: res.value } } : res;
    },
    { key: `${rule.id}|${rule.version}|${site}|${range}`, intervalMs: 30_000, enabled },
  );
}

interface StripProps {
  rule: Rule;
  unit: string;
  site: Site;
  asked: Asked;
}

function segmentTitle(s: RunSegment, { rule, unit, site }: StripProps, t: TFunction): string {
  const zone = validZone(site.zone);
  const when = `${formatDateTime(s.fromMs, zone)} – ${formatDateTime(s.toMs, zone)}`;
  const what = s.outcome === null ? t("rule.not_evaluated") : t(`rule.outcome_${s.outcome}`);
  return [what, s.run === null ? "" : runWords(s.run, rule, unit, t), when].filter((x) => x !== "").join(" · ");
}

export function RunStrip(props: StripProps): ReactElement {
  const { t } = useTranslation();
  const { asked, site } = props;
  const segments = runSegments(asked.runs, asked.fromMs, asked.toMs);
  const range = asked.toMs - asked.fromMs;
  const summary = t("rule.strip_summary", { site: site.name, met: formatShare(shareOf(segments, "true")), unknown: formatShare(shareOf(segments, "unknown")) });
  return (
    <div className="run-strip" role="img" aria-label={summary}>
      {segments.map((s) => (
        <span key={s.fromMs} className={`run-segment is-${s.outcome ?? "none"}`} title={segmentTitle(s, props, t)}
          style={{ left: `${(100 * (s.fromMs - asked.fromMs)) / range}%`, width: `${(100 * (s.toMs - s.fromMs)) / range}%` }} />
      ))}
    </div>
  );
}

function SiteRow({ rule, unit, site, range, isChosen, onChoose }: { rule: Rule; unit: string; site: Site; range: RunRange; isChosen: boolean; onChoose: () => void }): ReactElement {
  const row = useRef<HTMLLIElement>(null);
  const isSeen = useSeen(row);
  const polled = useRuns(rule, site.id, range, isSeen);
  return (
    <li ref={row} className={`run-row${isChosen ? " is-chosen" : ""}`}>
      <button type="button" className="link-button" aria-pressed={isChosen} onClick={onChoose}>{site.name}</button>
      {!isSeen && polled.value === undefined ? <div className="run-strip" /> : <View polled={polled}>{(asked) => <RunStrip rule={rule} unit={unit} site={site} asked={asked} />}</View>}
    </li>
  );
}

function Runs({ rule, unit, site, range }: { rule: Rule; unit: string; site: Site; range: RunRange }): ReactElement {
  const { t } = useTranslation();
  const polled = useRuns(rule, site.id, range, true);
  const zone = validZone(site.zone);
  const columns: Column<Run>[] = [
    { key: "time", title: t("rule.col_time"), width: 330, render: (r) => <span className="is-tabular">{formatDateTime(r.begin_unix_ms, zone)} – {formatDateTime(r.end_unix_ms, zone)}</span> },
    { key: "outcome", title: t("rule.col_outcome"), width: 140, render: (r) => <span><i className={`run-swatch is-${r.outcome}`} /> {t(`rule.outcome_${r.outcome}`)}</span> },
    { key: "windows", title: t("rule.col_windows"), width: 90, align: "right", render: (r) => r.windows },
    { key: "why", title: t("rule.col_why"), isWide: true, render: (r) => runWords(r, rule, unit, t) },
    { key: "version", title: t("work.version"), width: 80, align: "right", render: (r) => r.version },
  ];
  return (
    <div className="runs">
      <h3>{site.name}</h3>
      <View polled={polled} isEmpty={(a) => a.runs.length === 0} empty={<Empty title={t("rule.no_runs")} />}>
        {(asked) => <DataTable keyOf={(r) => String(r.begin_unix_ms)} columns={columns} rows={[...asked.runs].sort((a, b) => b.begin_unix_ms - a.begin_unix_ms)} minWidth={820} />}
      </View>
    </div>
  );
}

export function RuleHistory({ rule, unit }: { rule: Rule; unit: string }): ReactElement {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const range = readRunRange(params);
  const all = useSites();
  const sites = useMemo(() => all.filter((s) => inScope(rule, s)), [all, rule]);
  const chosen = sites.find((s) => s.id === params.get("site"));
  const set = (key: "last" | "site", value: string): void => {
    setParams((old) => {
      const next = new URLSearchParams(old);
      next.set(key, value);
      return next;
    }, { replace: true });
  };
  return (
    <section className="panel">
      <h2>{t("rule.history")}</h2>
      {rule.kind !== "threshold" ? <p>{t("rule.no_history")} <Link href={`/incidents?state=all&rule=${encodeURIComponent(rule.id)}`}>{t("rule.to_incidents")}</Link></p> : (
        <>
          <p className="list-note">{t("rule.history_text")} {t("work.zone_of_site")}</p>
          <Segmented<RunRange> aria-label={t("site.range")} value={range} onChange={(value) => set("last", value)}
            options={[{ value: "3h", label: t("time.for_hour", { count: 3 }) }, { value: "24h", label: t("time.for_day", { count: 1 }) }, { value: "7d", label: t("time.for_day", { count: 7 }) }]} />
          <div className="run-key">
            {(["true", "false", "unknown", "none"] as const).map((o) => <span key={o}><i className={`run-swatch is-${o}`} /> {t(o === "none" ? "rule.not_evaluated" : `rule.outcome_${o}`)}</span>)}
          </div>
          {sites.length === 0 ? <Empty title={t("rule.no_sites")} /> : (
            <ul className="run-rows">
              {sites.map((s) => <SiteRow key={s.id} rule={rule} unit={unit} site={s} range={range} isChosen={s.id === chosen?.id} onChoose={() => set("site", s.id)} />)}
            </ul>
          )}
          {chosen !== undefined && <Runs rule={rule} unit={unit} site={chosen} range={range} />}
        </>
      )}
    </section>
  );
}
