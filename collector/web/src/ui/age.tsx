// Relative time that keeps counting; the absolute time with its zone on hover or focus.

import { Tooltip } from "antd";
import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { formatAbsolute, spanOf } from "../model/time";
import { useNowMs } from "./now";

export function agoText(ageMs: number, t: TFunction): string {
  // A device's clock may be a little ahead of the collector's.
  if (ageMs < 5_000) {
    return t("time.now");
  }
  const { unit, count } = spanOf(ageMs);
  return t(`time.ago_${unit}`, { count });
}

export function spanText(ms: number, t: TFunction): string {
  const { unit, count } = spanOf(ms);
  return t(`time.for_${unit}`, { count });
}

const UNIT_MS = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

/** A length in its two largest units: "1 h 30 min", where spanText would say "1 h". */
export function durationText(ms: number, t: TFunction): string {
  const { unit, count } = spanOf(ms);
  const rest = Math.max(0, ms) - count * UNIT_MS[unit];
  const first = t(`time.for_${unit}`, { count });
  if (unit === "second" || rest < 1_000) {
    return first;
  }
  const next = spanOf(rest);
  const isNeighbour = (unit === "day" && next.unit === "hour") || (unit === "hour" && next.unit === "minute") || (unit === "minute" && next.unit === "second");
  return isNeighbour ? `${first} ${t(`time.for_${next.unit}`, { count: next.count })}` : first;
}

interface Props {
  unixMs: number | null;
  zone: string;
  /** What stands there when there is no time: "never" or "not known". */
  none?: "never" | "unknown";
}

export function Age({ unixMs, zone, none = "unknown" }: Props): ReactElement {
  const { t } = useTranslation();
  const nowMs = useNowMs(1_000);
  if (unixMs === null) {
    return <span className="is-faint">{t(`time.${none}`)}</span>;
  }
  const absolute = formatAbsolute(unixMs, zone);
  return (
    <Tooltip title={absolute} trigger={["hover", "focus"]}>
      <time className="age" dateTime={new Date(unixMs).toISOString()} tabIndex={0}>
        {agoText(nowMs - unixMs, t)}
        <span className="visually-hidden"> ({absolute})</span>
      </time>
    </Tooltip>
  );
}
