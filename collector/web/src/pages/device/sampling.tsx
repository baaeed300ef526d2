// What a device does not sample of all that it is configured to, and why.

import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { Device, DeviceReport } from "../../api/devices";
import { serverNowMs } from "../../api/http";
import { formatDateTime } from "../../model/time";
import { Age } from "../../ui/age";

type Sampling = NonNullable<DeviceReport["sampling"]>;

function safeMode(sampling: Sampling, zone: string, t: TFunction): string[] {
  if (!sampling.safe_mode) {
    return [];
  }
  const at = sampling.whole_unix_ms;
  // An agent that has not been heard since may have left it.
  const isAhead = at !== null && at > serverNowMs();
  return [t("device.safe_mode"), isAhead ? t("device.safe_mode_until", { time: formatDateTime(at, zone) }) : t("device.safe_mode_then")];
}

function losses(sampling: Sampling, t: TFunction): string[] {
  const { series_refused: series, samples_refused: samples, probe_results_dropped: results } = sampling;
  return [
    ...(series > 0 ? [t("device.series_refused", { count: series })] : []),
    ...(samples > 0 ? [t("device.samples_refused", { count: samples })] : []),
    ...(results > 0 ? [t("device.results_dropped", { count: results })] : []),
  ];
}

/** Nothing where all that is configured is sampled, or the agent is too old to say. */
export function SamplingPanel({ device, zone }: { device: Device; zone: string }): ReactElement | null {
  const { t } = useTranslation();
  const sampling = device.report?.sampling ?? null;
  if (device.report === null || sampling === null) {
    return null;
  }
  const [say, ...help] = safeMode(sampling, zone, t);
  const lost = losses(sampling, t);
  if (say === undefined && lost.length === 0) {
    return null;
  }
  return (
    <section className="panel" aria-labelledby="device-sampling">
      <h2 id="device-sampling">{t("device.sampling")}</h2>
      {say !== undefined && <p className="device-say is-late">{say}</p>}
      {[...help, ...lost].map((line) => <p key={line}>{line}</p>)}
      {lost.length > 0 && <p className="is-faint">{t("device.sampling_help")}</p>}
      <p className="list-note">{t("device.said_at")} <Age unixMs={device.report.at_unix_ms} zone={zone} /></p>
    </section>
  );
}
