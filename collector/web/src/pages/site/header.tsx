// Who and where: the site with its state and local time, and its devices to choose from.

import { Tooltip } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Device } from "../../api/devices";
import type { Site } from "../../api/sites";
import { isFillingIn } from "../../model/link";
import { tagText } from "../../model/overview";
import { formatAbsolute, formatDate, formatDateTime, validZone, zoneName } from "../../model/time";
import { Age } from "../../ui/age";
import { useNowMs } from "../../ui/now";
import { StateBadge, type BadgeState } from "../../ui/state_badge";
import { Rivals } from "./rivals";

/** As the overview counts: a failing device outweighs an unknown one, that one a current one. */
export function worstState(devices: readonly Device[]): BadgeState {
  const order = ["down", "unknown", "up", "never"] as const;
  return order.find((state) => devices.some((d) => d.state === state)) ?? "never";
}

export function SiteHeader({ site, state }: { site: Site; state: BadgeState }): ReactElement {
  const { t } = useTranslation();
  const nowMs = useNowMs(1_000);
  const zone = validZone(site.zone);
  return (
    <div className="site-header">
      <p className="crumbs"><Link href="/">{t("nav.overview")}</Link> <span aria-hidden="true">/</span></p>
      <div className="site-title">
        <h1>{site.name}</h1>
        <StateBadge state={state} />
      </div>
      <dl className="facts is-inline">
        {site.region !== "" && <div><dt>{t("site.region")}</dt><dd>{site.region}</dd></div>}
        <div><dt>{t("site.zone")}</dt><dd>{zoneName(nowMs, zone)}</dd></div>
        <div><dt>{t("site.local_time")}</dt><dd className="is-tabular">{formatDateTime(nowMs, zone)}</dd></div>
        {Object.keys(site.tags).length > 0 && (
          <div>
            <dt>{t("site.tags")}</dt>
            <dd>{Object.entries(site.tags).map(([k, v]) => <span key={k} className="tag">{tagText(k, v)}</span>)}</dd>
          </div>
        )}
      </dl>
    </div>
  );
}

/** Said wherever a device is shown: its past is not complete yet. */
export function FillingIn({ device, isShort = false }: { device: Device; isShort?: boolean }): ReactElement | null {
  const { t, i18n } = useTranslation();
  if (!isFillingIn(device)) {
    return null;
  }
  if (isShort) {
    return <div className="site-sub">{t("site.filling_in_short", { batches: device.waiting_batches.toLocaleString(i18n.language) })}</div>;
  }
  return <p className="notice is-late">{t("site.filling_in", { count: device.waiting_batches, batches: device.waiting_batches.toLocaleString(i18n.language) })}</p>;
}

interface DevicesProps {
  devices: readonly Device[];
  zone: string;
  chosen: string;
  onChoose: (id: string) => void;
}

export function DeviceCards({ devices, zone, chosen, onChoose }: DevicesProps): ReactElement {
  const { t } = useTranslation();
  return (
    <div className="devices" role="group" aria-label={t("site.devices")}>
      {devices.map((d) => (
        <div key={d.id} className={`device-card${d.id === chosen ? " is-chosen" : ""}`}>
          <div className="device-top">
            <button type="button" className="device-choose" aria-pressed={d.id === chosen} onClick={() => onChoose(d.id)}>{d.name}</button>
            <StateBadge state={d.state} />
          </div>
          <dl className="facts is-inline">
            <div><dt>{t("site.data_until")}</dt><dd><Age unixMs={d.data_until_unix_ms} zone={zone} none="never" /></dd></div>
            <div><dt>{t("site.heard")}</dt><dd><Age unixMs={d.last_seen_unix_ms} zone={zone} none="never" /></dd></div>
            {d.software !== null && <div><dt>{t("site.software")}</dt><dd>{d.software}</dd></div>}
            {d.certificate !== null && (
              <div>
                <dt>{t("site.certificate_until")}</dt>
                <dd>
                  <Tooltip title={formatAbsolute(d.certificate.not_after_unix_ms, zone)} trigger={["hover", "focus"]}>
                    <span tabIndex={0}>{formatDate(d.certificate.not_after_unix_ms, zone)}</span>
                  </Tooltip>
                </dd>
              </div>
            )}
          </dl>
          <p className="device-more"><Link href={`/devices/${encodeURIComponent(d.id)}`} aria-label={t("site.device_page", { name: d.name })}>{t("site.device_more")}</Link></p>
          <FillingIn device={d} />
          {d.clock === "unknown" && <p className="notice is-late">{t("site.clock_unknown")}</p>}
          {d.conflict && <Rivals device={d.id} zone={zone} />}
        </div>
      ))}
    </div>
  );
}
