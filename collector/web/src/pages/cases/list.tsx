// The cases of a site, or of all: filters in the URL, a time line.

import "./cases.css";
import "../../i18n/work";

import { Segmented, Select, Switch } from "antd";
import { useMemo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "wouter";

import { listCases, type Cases } from "../../api/cases";
import { serverNowMs } from "../../api/http";
import { listProcesses } from "../../api/processes";
import { listRules } from "../../api/rules";
import { CASE_RANGES, limitsByProcess, readCaseFilter, writeCaseFilter, type CaseFilter, type CaseRange } from "../../model/cases";
import { validZone } from "../../model/time";
import { Paging } from "../../ui/paging";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { useProcessName, useSites } from "../definitions/fields";
import { Timeline } from "./timeline";

const REFRESH_MS = 10_000;
const NAMES_MS = 120_000;

interface Loaded {
  page: Cases;
  fromMs: number;
  toMs: number;
}

function Filters({ filter, withSite, onFilter }: { filter: CaseFilter; withSite: boolean; onFilter: (filter: CaseFilter) => void }): ReactElement {
  const { t } = useTranslation();
  const sites = useSites();
  const processes = usePoll(listProcesses, { key: "processes", intervalMs: NAMES_MS }).value ?? [];
  const change = (part: Partial<CaseFilter>): void => onFilter({ ...filter, ...part, before: null });
  const ranges = (Object.keys(CASE_RANGES) as CaseRange[]).map((value) => ({ value, label: t(`site.last_${value}`) }));
  return (
    <div className="filters" role="search">
      <Segmented<CaseRange> aria-label={t("site.range")} options={ranges} value={filter.last} onChange={(last) => change({ last })} />
      {withSite && (
        <Select className="filter-select" allowClear showSearch={{ optionFilterProp: "label" }} aria-label={t("work.site")} placeholder={t("work.all_sites")} value={filter.site}
          options={sites.map((s) => ({ value: s.id, label: s.name }))} onChange={(v: string | undefined) => change({ site: v ?? null })} />
      )}
      <Select className="filter-select" allowClear aria-label={t("case.process")} placeholder={t("case.all_processes")} value={filter.process}
        options={processes.map((p) => ({ value: p.id, label: p.name }))} onChange={(v: string | undefined) => change({ process: v ?? null })} />
      <label className="switch"><Switch size="small" checked={filter.open} onChange={(open) => change({ open })} /> {t("case.only_open")}</label>
    </div>
  );
}

/** `site`: only this one's, on its page. */
export function CaseList({ site }: { site: string | null }): ReactElement {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const filter = readCaseFilter(params);
  const wanted = site ?? filter.site;
  const sites = useSites();
  const byId = useMemo(() => new Map(sites.map((s) => [s.id, s])), [sites]);
  const rules = usePoll(listRules, { key: "rules", intervalMs: NAMES_MS }).value;
  const limits = useMemo(() => limitsByProcess(rules ?? []), [rules]);
  const onFilter = (next: CaseFilter): void => setParams((old) => writeCaseFilter(site === null ? next : { ...next, site: null }, old), { replace: true });
  const polled = usePoll<Loaded>(
    async (signal) => {
      const toMs = serverNowMs();
      const fromMs = Math.floor(toMs - CASE_RANGES[filter.last]);
      const res = await listCases({ site: wanted, process: filter.process, open: filter.open, from: filter.open ? null : fromMs, before: filter.before }, signal);
      return res.ok ? { ok: true, value: { page: res.value, fromMs, toMs } } : res;
    },
    { key: JSON.stringify([wanted, filter]), intervalMs: REFRESH_MS },
  );
  const processName = useProcessName();
  const zoneOf = (id: string): string => validZone(byId.get(id)?.zone ?? "UTC");
  return (
    <>
      <Filters filter={filter} withSite={site === null} onFilter={onFilter} />
      <View polled={polled} isEmpty={(v) => v.page.items.length === 0} empty={<Empty title={t("case.none")}><p>{t("case.none_text")}</p></Empty>}>
        {({ page, fromMs, toMs }) => (
          <>
            <p className="list-note">{t("case.shown", { count: page.items.length })} · {t("work.zone_of_site")}</p>
            <Timeline cases={page.items} limits={limits} fromMs={fromMs} toMs={toMs} nowMs={toMs} zoneOf={zoneOf} site={wanted} siteName={(id) => byId.get(id)?.name ?? id} processName={processName} />
            <Paging next={page.next} before={filter.before} onPage={(before) => onFilter({ ...filter, before })} />
          </>
        )}
      </View>
    </>
  );
}
