// Can the times of a device's data be trusted, and what becomes of them when not.

import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { Device } from "../../api/devices";
import { clockOf, type ClockState } from "../../model/link";
import { formatValue } from "../../model/units";
import { durationText } from "../../ui/age";

/** "± 12 ms", "± 1.5 s", "± 3 min" */
export function uncertaintyText(ms: number, t: TFunction): string {
  return `± ${ms < 60_000 ? formatValue(ms >= 1000 ? ms / 1000 : ms, "count") + (ms >= 1000 ? " s" : " ms") : durationText(ms, t)}`;
}

function details(clock: ClockState, t: TFunction): string[] {
  const said: string[] = [];
  if (clock.offMs !== null) {
    said.push(t(clock.offMs > 0 ? "device.clock_ahead" : "device.clock_behind", { span: durationText(Math.abs(clock.offMs), t) }));
  }
  if (clock.driftMsPerDay !== null) {
    const seconds = formatValue(Math.abs(clock.driftMsPerDay) / 1000, "count");
    said.push(t(clock.driftMsPerDay > 0 ? "device.clock_gains" : "device.clock_loses", { seconds }));
  }
  if (clock.steps > 0) {
    said.push(t("device.clock_steps", { count: clock.steps }));
  }
  if (clock.isFloorLifted) {
    said.push(t("device.clock_floor"));
  }
  return said;
}

export function ClockPanel({ device }: { device: Device }): ReactElement {
  const { t } = useTranslation();
  const clock = clockOf(device);
  return (
    <section className="panel" aria-labelledby="device-clock">
      <h2 id="device-clock">{t("device.clock")}</h2>
      <p className={`device-say${clock.kind === "unknown" ? " is-late" : clock.kind === "never" ? " is-faint" : ""}`}>
        {t(`device.clock_${clock.kind}`)}
        {clock.uncertaintyMs !== null && <span className="is-tabular"> {uncertaintyText(clock.uncertaintyMs, t)}</span>}
      </p>
      {clock.kind !== "never" && <p>{t(`device.clock_${clock.kind}_help`)}</p>}
      {details(clock, t).map((line) => <p key={line}>{line}</p>)}
    </section>
  );
}
