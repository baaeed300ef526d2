// Which stretch of time the charts show.  A custom range is typed in the site's own wall-clock time.

import { Button, DatePicker, Segmented } from "antd";
import dayjs, { type Dayjs } from "dayjs";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { serverNowMs } from "../../api/http";
import { unixOfWall, zoneOffsetMs } from "../../model/time";
import { LAST_MS, LONGEST_MS, resolveRange, SHORTEST_MS, type Last, type TimeRange } from "../../model/url_state";
import { LIVE_MS } from "./chart_card";

interface Props {
  range: TimeRange;
  zone: string;
  onRange: (range: TimeRange) => void;
  /** How often what is shown is asked for again while the range moves. */
  liveMs?: number;
}

const LASTS = Object.keys(LAST_MS) as Last[];

/** The picker knows only the browser's zone: it is given a moment whose local fields read as the site's wall clock. */
function toPicker(unixMs: number, zone: string): Dayjs {
  const wall = new Date(unixMs + zoneOffsetMs(unixMs, zone));
  return dayjs(new Date(wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate(), wall.getUTCHours(), wall.getUTCMinutes(), wall.getUTCSeconds()));
}

function fromPicker(d: Dayjs, zone: string): number {
  return unixOfWall(Date.UTC(d.year(), d.month(), d.date(), d.hour(), d.minute(), d.second()), zone);
}

export function RangePicker({ range, zone, onRange, liveMs = LIVE_MS }: Props): ReactElement {
  const { t } = useTranslation();
  const [isCustom, setCustom] = useState(!("last" in range));
  const isLive = "last" in range;
  const options = [
    ...LASTS.map((last) => ({ value: last, label: t(`site.last_${last}`) })),
    { value: "custom", label: t("site.custom") },
  ];
  const showCustom = isCustom || !isLive;
  const { fromMs, toMs } = resolveRange(range, serverNowMs());

  const pick = (value: string): void => {
    const last = LASTS.find((l) => l === value);
    setCustom(last === undefined);
    onRange(last === undefined ? { fromMs, toMs } : { last });
  };
  const pickCustom = (dates: readonly (Dayjs | null)[] | null): void => {
    const [from, to] = dates ?? [];
    if (from === null || from === undefined || to === null || to === undefined) {
      return;
    }
    const [a, b] = [fromPicker(from, zone), fromPicker(to, zone)];
    if (b - a >= SHORTEST_MS && b - a <= LONGEST_MS) {
      onRange({ fromMs: a, toMs: b });
    }
  };
  const zoomOut = (): void => {
    const half = (toMs - fromMs) / 2;
    if (4 * half <= LONGEST_MS) {
      onRange({ fromMs: Math.round(fromMs - half), toMs: Math.round(Math.min(toMs + half, Math.max(toMs, serverNowMs()))) });
    }
  };

  return (
    <div className="range-picker">
      <Segmented aria-label={t("site.range")} options={options} value={isLive ? range.last : "custom"} onChange={pick} />
      {showCustom && (
        <>
          <DatePicker.RangePicker
            showTime={{ format: "HH:mm" }}
            format="YYYY-MM-DD HH:mm"
            allowClear={false}
            value={[toPicker(fromMs, zone), toPicker(toMs, zone)]}
            onChange={pickCustom}
          />
          <Button onClick={zoomOut}>{t("site.zoom_out")}</Button>
          <Button onClick={() => pick("1h")}>{t("site.follow")}</Button>
        </>
      )}
      <span className="range-note">{isLive ? t("site.live", { seconds: liveMs / 1000 }) : t("site.fixed")}</span>
    </div>
  );
}
