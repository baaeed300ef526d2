// One device: its link now and over time, what it still holds, its clock, what reports there, and what it used.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { getDevice, type Device } from "../../api/devices";
import type { Result } from "../../api/http";
import { getSite, type Site } from "../../api/sites";
import { formatDate, validZone, zoneName } from "../../model/time";
import "../../i18n/work";
import { Age } from "../../ui/age";
import { useNowMs } from "../../ui/now";
import { StateBadge } from "../../ui/state_badge";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";
import { FillingIn } from "../site/header";
import { BacklogPanel } from "./backlog";
import { ClockPanel } from "./clock";
import "./device.css";
import { History } from "./history";
import { InletsPanel } from "./inlets";
import { LinkFacts } from "./link_facts";
import { SamplingPanel } from "./sampling";
import { Usage } from "./usage";

const REFRESH_MS = 10_000;

interface Both {
  device: Device;
  site: Site;
}

async function load(id: string, signal: AbortSignal): Promise<Result<Both>> {
  const device = await getDevice(id, signal);
  if (!device.ok) {
    return device;
  }
  const site = await getSite(device.value.site, signal);
  return site.ok ? { ok: true, value: { device: device.value, site: site.value } } : site;
}

function Header({ device, site }: Both): ReactElement {
  const { t } = useTranslation();
  const zone = validZone(site.zone);
  const nowMs = useNowMs(60_000);
  const here = encodeURIComponent(device.id);
  const charts = `/sites/${encodeURIComponent(site.id)}`;
  return (
    <div className="site-header">
      <p className="crumbs">
        <Link href="/">{t("nav.overview")}</Link> <span aria-hidden="true">/</span> <Link href={charts}>{site.name}</Link> <span aria-hidden="true">/</span>
      </p>
      <div className="site-title">
        <h1>{device.name}</h1>
        <StateBadge state={device.state} />
      </div>
      <dl className="facts is-inline">
        <div><dt>{t("fleet.id")}</dt><dd><code>{device.id}</code></dd></div>
        <div><dt>{t("site.data_until")}</dt><dd><Age unixMs={device.data_until_unix_ms} zone={zone} none="never" /></dd></div>
        <div><dt>{t("site.heard")}</dt><dd><Age unixMs={device.last_seen_unix_ms} zone={zone} none="never" /></dd></div>
        {device.software !== null && <div><dt>{t("site.software")}</dt><dd>{device.software}</dd></div>}
        {device.certificate !== null && <div><dt>{t("site.certificate_until")}</dt><dd>{formatDate(device.certificate.not_after_unix_ms, zone)}</dd></div>}
        <div><dt>{t("site.zone")}</dt><dd>{zoneName(nowMs, zone)}</dd></div>
      </dl>
      <p className="device-ways">
        <Link href={`${charts}?device=${here}`}>{t("device.to_charts")}</Link>
        {device.gaps > 0 && <Link href={`/quality?device=${here}`}>{t("device.to_ledger", { count: device.gaps })}</Link>}
      </p>
      <FillingIn device={device} />
      {device.conflict && <p className="notice is-down">{t("site.conflict")}</p>}
    </div>
  );
}

function Content({ device, site }: Both): ReactElement {
  const zone = validZone(site.zone);
  return (
    <>
      <Header device={device} site={site} />
      <History device={device.id} zone={zone} />
      <div className="device-panels">
        <LinkFacts device={device} zone={zone} />
        <BacklogPanel device={device} zone={zone} />
        <ClockPanel device={device} />
        <SamplingPanel device={device} zone={zone} />
      </div>
      <InletsPanel device={device} zone={zone} />
      <Usage device={device.id} />
    </>
  );
}

export default function DevicePage({ id }: { id: string }): ReactElement {
  const polled = usePoll((signal) => load(id, signal), { key: `device:${id}`, intervalMs: REFRESH_MS });
  return <View polled={polled}>{(both) => <Content {...both} />}</View>;
}
