// How a device is connected: there or not, the way it takes, and what a metered link still allows.

import type { ReactElement, ReactNode } from "react";
import { useTranslation } from "react-i18next";

import type { Device, DeviceReport } from "../../api/devices";
import { formatValue } from "../../model/units";
import { Age } from "../../ui/age";
import { StateIcon } from "../../ui/state_badge";

interface Props {
  device: Device;
  zone: string;
}

function Fact({ name, children }: { name: string; children: ReactNode }): ReactElement {
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}

function Presence({ device, zone }: Props): ReactElement {
  const { t } = useTranslation();
  if (device.presence === null) {
    return <p className="device-say is-faint">{t("device.presence_never")}</p>;
  }
  const isOnline = device.presence === "online";
  return (
    <>
      <p className={`device-say ${isOnline ? "is-good" : "is-unknown"}`}>
        <StateIcon state={isOnline ? "up" : "unknown"} /> {t(isOnline ? "device.presence_online" : "device.presence_offline")}
        {!isOnline && device.state_since_unix_ms !== null && <span className="device-since"> <Age unixMs={device.state_since_unix_ms} zone={zone} /></span>}
      </p>
      {!isOnline && <p>{t("device.presence_offline_help")}</p>}
    </>
  );
}

function Way({ link }: { link: NonNullable<DeviceReport["link"]> }): ReactElement {
  const { t, i18n } = useTranslation();
  const unknown = t("time.unknown");
  return (
    <dl className="facts">
      <Fact name={t("device.transport")}>{t(`device.transport_${link.transport}`)}</Fact>
      <Fact name={t("device.proxy")}>{t(link.via_proxy ? "device.proxy_yes" : "device.proxy_no")}</Fact>
      <Fact name={t("device.local_address")}>{link.local_address === null ? unknown : <code>{link.local_address}</code>}</Fact>
      <Fact name={t("device.rtt")}>{link.rtt_ms === null ? t("device.unmeasured") : formatValue(link.rtt_ms, "ms")}</Fact>
      <Fact name={t("device.rate")}>{link.rate_bytes_per_s === null ? t("device.unmeasured") : formatValue(link.rate_bytes_per_s, "bytes_per_s")}</Fact>
      <Fact name={t("device.max_packet")}>{link.max_packet_bytes === null ? t("device.no_limit_said") : formatValue(link.max_packet_bytes, "bytes")}</Fact>
      <Fact name={t("device.connections")}>{link.connections.toLocaleString(i18n.language)}</Fact>
    </dl>
  );
}

function Budget({ budget }: { budget: NonNullable<DeviceReport["budget"]> }): ReactElement {
  const { t } = useTranslation();
  const used = formatValue(budget.used_bytes, "bytes");
  return (
    <p className="device-budget">
      {budget.bytes_per_hour === null ? t("device.metered_unlimited", { used }) : t("device.metered", { limit: formatValue(budget.bytes_per_hour, "bytes"), used })}
    </p>
  );
}

export function LinkFacts({ device, zone }: Props): ReactElement {
  const { t } = useTranslation();
  const { report } = device;
  return (
    <section className="panel" aria-labelledby="device-link">
      <h2 id="device-link">{t("device.link_now")}</h2>
      <Presence device={device} zone={zone} />
      {report !== null && report.link !== null ? <Way link={report.link} /> : device.state !== "never" && <p className="is-faint">{t("device.link_unsaid")}</p>}
      {report !== null && report.budget !== null && <Budget budget={report.budget} />}
      {report !== null && <p className="list-note">{t("device.said_at")} <Age unixMs={report.at_unix_ms} zone={zone} /></p>}
    </section>
  );
}
