// A site's page: header, devices, and the charts of one of them over one range of time.

import { Tabs } from "antd";
import type { TFunction } from "i18next";
import { lazy, Suspense, useMemo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link, useSearchParams } from "wouter";

import { listDevices, type Device } from "../../api/devices";
import type { Result } from "../../api/http";
import { getOverview, type OverviewSite } from "../../api/overview";
import { getSite, type Site } from "../../api/sites";
import { listSeries, type Series } from "../../api/telemetry";
import { chartGroups, type ChartGroup } from "../../model/charts";
import { validZone } from "../../model/time";
import { readRange, writeRange, type TimeRange } from "../../model/url_state";
import { usePoll } from "../../ui/use_poll";
import { Empty, Loading, View } from "../../ui/view";
import { ChartCard } from "./chart_card";
import { Events } from "./events";
import { DeviceCards, SiteHeader, worstState } from "./header";
import { RangePicker } from "./range_picker";

const REFRESH_MS = 10_000;

// Each with its own texts and code, for those who look there.
const CaseList = lazy(() => import("../cases/list").then((m) => ({ default: m.CaseList })));
const SiteIncidents = lazy(() => import("../incidents/site_incidents"));

const VIEWS = ["charts", "cases", "incidents"] as const;

function ViewName({ view, live }: { view: (typeof VIEWS)[number]; live: OverviewSite["incidents"] | undefined }): ReactElement {
  const { t } = useTranslation();
  const count = live === undefined ? 0 : live.critical + live.warning + live.info;
  return <>{t(`site.view_${view}`)}{view === "incidents" && count > 0 && <span className="tab-count">{count}</span>}</>;
}

interface SiteAndDevices {
  site: Site;
  devices: Device[];
}

// The state of a site takes its probes into account, which only the overview knows.
const STATE_MS = 15_000;

async function loadSite(id: string, signal: AbortSignal): Promise<Result<SiteAndDevices>> {
  const [site, devices] = await Promise.all([getSite(id, signal), listDevices({ site: id }, signal)]);
  if (!site.ok) {
    return site;
  }
  return devices.ok ? { ok: true, value: { site: site.value, devices: devices.value } } : devices;
}

function groupName(group: ChartGroup, t: TFunction): string {
  return group.kind === "probe" ? t("site.probe", { name: group.name ?? "" }) : t(`site.${group.kind}`);
}

interface GroupProps {
  group: ChartGroup;
  range: TimeRange;
  zone: string;
  onRange: (range: TimeRange) => void;
}

function Group({ group, range, zone, onRange }: GroupProps): ReactElement {
  const { t } = useTranslation();
  const onZoom = (fromMs: number, toMs: number): void => onRange({ fromMs, toMs: Math.max(toMs, fromMs + 60_000) });
  const charts = (
    <div className="charts">
      {group.charts.map((chart) => <ChartCard key={chart.id} chart={chart} range={range} zone={zone} onZoom={onZoom} />)}
    </div>
  );
  if (group.kind === "agent" || group.kind === "other") {
    return (
      <details className="panel group">
        <summary><h2>{groupName(group, t)}</h2></summary>
        {charts}
      </details>
    );
  }
  return (
    <section className="group">
      <h2>{groupName(group, t)}</h2>
      {charts}
    </section>
  );
}

function Groups({ series, range, zone, onRange }: { series: Series[] } & Omit<GroupProps, "group">): ReactElement {
  const groups = useMemo(() => chartGroups(series), [series]);
  return <>{groups.map((group) => <Group key={group.id} group={group} range={range} zone={zone} onRange={onRange} />)}</>;
}

function DeviceCharts({ device, zone }: { device: string; zone: string }): ReactElement {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const range = readRange(params);
  const onRange = (next: TimeRange): void => setParams((old) => writeRange(next, old));
  const polled = usePoll((signal) => listSeries(device, signal), { key: device, intervalMs: 60_000 });
  return (
    <>
      <div className="range-bar">
        <RangePicker range={range} zone={zone} onRange={onRange} />
        <p className="list-note">{t("site.times_in", { zone })} · {t("site.drag_hint")}</p>
      </div>
      <View polled={polled} isEmpty={(s) => s.length === 0} empty={<Empty title={t("site.no_series")} />}>
        {(series) => <Groups series={series} range={range} zone={zone} onRange={onRange} />}
      </View>
      <Events device={device} range={range} zone={zone} />
    </>
  );
}

function NoDevices(): ReactElement {
  const { t } = useTranslation();
  return (
    <Empty title={t("site.no_devices")}>
      <Link href="/fleet/devices">{t("site.no_devices_how")}</Link>
    </Empty>
  );
}

function Content({ site, devices }: SiteAndDevices): ReactElement {
  const [params, setParams] = useSearchParams();
  const zone = validZone(site.zone);
  const overview = usePoll(getOverview, { key: "overview", intervalMs: STATE_MS });
  const state = overview.kind === "normal" ? overview.value?.sites.find((s) => s.id === site.id)?.state : undefined;
  const live = overview.value?.sites.find((s) => s.id === site.id)?.incidents;
  const view = VIEWS.find((v) => v === params.get("view")) ?? "charts";
  const show = (next: string): void => setParams(next === "charts" ? {} : { view: next });
  const wanted = params.get("device");
  const device = devices.find((d) => d.id === wanted) ?? devices[0];
  const choose = (id: string): void => {
    setParams((old) => {
      const next = new URLSearchParams(old);
      next.set("device", id);
      return next;
    });
  };
  return (
    <>
      <SiteHeader site={site} state={site.retired ? "retired" : (state ?? worstState(devices))} />
      <Tabs activeKey={view} onChange={show} items={VIEWS.map((key) => ({ key, label: <ViewName view={key} live={live} /> }))} />
      {view === "cases" ? <Suspense fallback={<Loading />}><CaseList site={site.id} /></Suspense>
        : view === "incidents" ? <Suspense fallback={<Loading />}><SiteIncidents site={site.id} /></Suspense>
        : device === undefined ? <NoDevices /> : (
        <>
          <DeviceCards devices={devices} zone={zone} chosen={device.id} onChoose={choose} />
          <DeviceCharts key={device.id} device={device.id} zone={zone} />
        </>
      )}
    </>
  );
}

export default function SitePage({ id }: { id: string }): ReactElement {
  const polled = usePoll((signal) => loadSite(id, signal), { key: id, intervalMs: REFRESH_MS });
  return <View polled={polled}>{(value) => <Content {...value} />}</View>;
}
