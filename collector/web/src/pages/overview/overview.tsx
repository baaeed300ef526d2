// The overview of sites: what is wrong, what is late, what is simply not known.  Refreshes itself; filters live in the URL.

import { SearchOutlined } from "@ant-design/icons";
import { Button, Input, Pagination, Select, Table, type TableColumnsType } from "antd";
import { useMemo, useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link, useSearchParams } from "wouter";

import { getOverview, type Overview as OverviewData, type OverviewSite } from "../../api/overview";
import { filterSites, incidentWeight, NO_FILTER, regionsOf, tagsOf, worstFirst, type OverviewFilter } from "../../model/overview";
import { formatTime, browserZone } from "../../model/time";
import { readFilter, writeFilter } from "../../model/url_state";
import { Age } from "../../ui/age";
import { useNowMs } from "../../ui/now";
import { useIsNarrow } from "../../ui/theme";
import { usePoll } from "../../ui/use_poll";
import { useSession } from "../../ui/session";
import { IncidentCounts } from "../../ui/severity";
import { Empty, View } from "../../ui/view";
import { Devices, Incidents, Matter, Meter, Probes, SiteName, SiteStateCell } from "./cells";
import { Counters, Headline } from "./counters";

const REFRESH_MS = 5_000;
const PAGE_SIZE = 50;

interface FilterProps {
  sites: readonly OverviewSite[];
  filter: OverviewFilter;
  onFilter: (filter: OverviewFilter) => void;
}

function FilterBar({ sites, filter, onFilter }: FilterProps): ReactElement {
  const { t } = useTranslation();
  const choices = (values: string[]): { value: string; label: string }[] => values.map((value) => ({ value, label: value }));
  const isActive = filter.text !== "" || filter.state !== null || filter.region !== null || filter.tag !== null;
  return (
    <div className="filters" role="search">
      <Input
        className="filter-text"
        allowClear
        prefix={<SearchOutlined aria-hidden />}
        aria-label={t("overview.search")}
        placeholder={t("overview.search")}
        value={filter.text}
        onChange={(e) => onFilter({ ...filter, text: e.target.value })}
      />
      <Select
        className="filter-select"
        allowClear
        showSearch
        aria-label={t("overview.region")}
        placeholder={t("overview.any_region")}
        value={filter.region}
        options={choices(regionsOf(sites))}
        onChange={(region: string | undefined) => onFilter({ ...filter, region: region ?? null })}
      />
      <Select
        className="filter-select"
        allowClear
        showSearch
        aria-label={t("overview.tag")}
        placeholder={t("overview.any_tag")}
        value={filter.tag}
        options={choices(tagsOf(sites))}
        onChange={(tag: string | undefined) => onFilter({ ...filter, tag: tag ?? null })}
      />
      {isActive && <Button type="link" onClick={() => onFilter(NO_FILTER)}>{t("overview.clear")}</Button>}
    </div>
  );
}

interface ListProps {
  sites: OverviewSite[];
  nowMs: number;
}

const isCurrent = (site: OverviewSite): boolean => site.state === "up" || site.state === "down";

function SiteTable({ sites, nowMs }: ListProps): ReactElement {
  const { t } = useTranslation();
  const columns: TableColumnsType<OverviewSite> = [
    { key: "state", title: t("overview.col_state"), width: 130, render: (_, s) => <SiteStateCell site={s} nowMs={nowMs} /> },
    { key: "site", title: t("overview.col_site"), sorter: (a, b) => a.name.localeCompare(b.name), render: (_, s) => <SiteName site={s} /> },
    { key: "incidents", title: t("overview.col_incidents"), width: 120, sorter: (a, b) => incidentWeight(b) - incidentWeight(a), render: (_, s) => <Incidents site={s} /> },
    { key: "matter", title: t("overview.col_matter"), width: 170, render: (_, s) => <Matter site={s} nowMs={nowMs} /> },
    {
      key: "data",
      title: t("overview.col_data"),
      width: 125,
      sorter: (a, b) => (a.data_until_unix_ms ?? 0) - (b.data_until_unix_ms ?? 0),
      render: (_, s) => <Age unixMs={s.data_until_unix_ms} zone={s.zone} none="never" />,
    },
    { key: "devices", title: t("overview.col_devices"), width: 100, render: (_, s) => <Devices site={s} /> },
    { key: "probes", title: t("overview.col_probes"), width: 120, sorter: (a, b) => b.probes.failing - a.probes.failing, render: (_, s) => <Probes site={s} /> },
    {
      key: "cpu",
      title: t("overview.col_cpu"),
      width: 95,
      sorter: (a, b) => (a.cpu_used_pct ?? -1) - (b.cpu_used_pct ?? -1),
      render: (_, s) => <Meter value={s.cpu_used_pct} isCurrent={isCurrent(s)} label={t("overview.col_cpu")} />,
    },
    {
      key: "memory",
      title: t("overview.col_memory"),
      width: 100,
      sorter: (a, b) => (a.memory_used_pct ?? -1) - (b.memory_used_pct ?? -1),
      render: (_, s) => <Meter value={s.memory_used_pct} isCurrent={isCurrent(s)} label={t("overview.col_memory")} />,
    },
  ];
  return (
    <Table
      className="card-table"
      rowKey="id"
      columns={columns}
      dataSource={sites}
      rowClassName={(s) => `row-${s.state}`}
      pagination={{ pageSize: PAGE_SIZE, hideOnSinglePage: true, showSizeChanger: false }}
      scroll={{ x: 1120 }}
    />
  );
}

function SiteCards({ sites, nowMs }: ListProps): ReactElement {
  const { t } = useTranslation();
  const [page, setPage] = useState(1);
  const pages = Math.max(1, Math.ceil(sites.length / PAGE_SIZE));
  const at = Math.min(page, pages);
  return (
    <>
      <ul className="cards">
        {sites.slice((at - 1) * PAGE_SIZE, at * PAGE_SIZE).map((site) => (
          <li key={site.id} className={`site-card row-${site.state}`}>
            <div className="site-card-top">
              <SiteName site={site} />
              <span className="badges is-end"><SiteStateCell site={site} nowMs={nowMs} /><IncidentCounts site={site.id} name={site.name} counts={site.incidents} /></span>
            </div>
            {(site.state !== "up" || site.probes.failing > 0 || site.backlog.devices > 0 || site.oldest_data_until_unix_ms !== site.data_until_unix_ms) && (
              <p className="site-card-matter"><Matter site={site} nowMs={nowMs} /></p>
            )}
            <dl className="facts">
              <div><dt>{t("overview.col_data")}</dt><dd><Age unixMs={site.data_until_unix_ms} zone={site.zone} none="never" /></dd></div>
              <div><dt>{t("overview.col_devices")}</dt><dd><Devices site={site} /></dd></div>
              <div><dt>{t("overview.col_probes")}</dt><dd><Probes site={site} /></dd></div>
              <div><dt>{t("overview.col_cpu")}</dt><dd><Meter value={site.cpu_used_pct} isCurrent={isCurrent(site)} label={t("overview.col_cpu")} /></dd></div>
              <div><dt>{t("overview.col_memory")}</dt><dd><Meter value={site.memory_used_pct} isCurrent={isCurrent(site)} label={t("overview.col_memory")} /></dd></div>
            </dl>
          </li>
        ))}
      </ul>
      {pages > 1 && <Pagination align="center" simple current={at} pageSize={PAGE_SIZE} total={sites.length} onChange={setPage} />}
    </>
  );
}

function Sites({ overview, atMs }: { overview: OverviewData; atMs: number | undefined }): ReactElement {
  const { t } = useTranslation();
  const isNarrow = useIsNarrow();
  const nowMs = Math.max(useNowMs(5_000), overview.now_unix_ms);
  const [params, setParams] = useSearchParams();
  const filter = readFilter(params);
  const onFilter = (next: OverviewFilter): void => setParams(writeFilter(next), { replace: true });
  const sorted = useMemo(() => worstFirst(overview.sites, overview.now_unix_ms), [overview]);
  const shown = filterSites(sorted, filter, nowMs);
  return (
    <>
      <Headline overview={overview} nowMs={nowMs} />
      {overview.identity_conflicts.length > 0 && (
        <p className="notice is-down" role="status">
          {t("overview.rivals")}{" "}
          {overview.identity_conflicts.map((c, i) => (
            <span key={c.device}>{i > 0 && ", "}<Link href={`/sites/${encodeURIComponent(c.site)}?device=${encodeURIComponent(c.device)}`}>{c.name}</Link></span>
          ))}
        </p>
      )}
      <Counters overview={overview} nowMs={nowMs} active={filter.state} onPick={(state) => onFilter({ ...filter, state })} />
      <FilterBar sites={overview.sites} filter={filter} onFilter={onFilter} />
      <p className="list-note">
        <span>{t("overview.shown", { shown: shown.length, all: overview.sites.length })}</span>
        {" · "}
        <span>{t("overview.worst_first")}</span>
        {atMs !== undefined && <span>{" · "}{t("view.refreshed", { time: formatTime(atMs, browserZone()) })}</span>}
      </p>
      {shown.length === 0 ? <Empty title={t("overview.none_match")} /> : isNarrow ? <SiteCards sites={shown} nowMs={nowMs} /> : <SiteTable sites={shown} nowMs={nowMs} />}
    </>
  );
}

function NoSites(): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  return (
    <Empty title={t("overview.empty_title")}>
      <p>{t("overview.empty_text")}</p>
      {isAdministrator && <Link href="/fleet" className="button-link">{t("overview.empty_action")}</Link>}
    </Empty>
  );
}

export function Overview(): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll(getOverview, { key: "overview", intervalMs: REFRESH_MS });
  return (
    <>
      <h1>{t("overview.title")}</h1>
      <View polled={polled} isEmpty={(o) => o.sites.length === 0} empty={<NoSites />}>
        {(overview) => <Sites overview={overview} atMs={polled.poll.atMs} />}
      </View>
    </>
  );
}
