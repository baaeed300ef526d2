// A probe's timeline: up, failing, unknown, each with its own pattern, on the same time axis as the charts below it.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { availability, stripSegments, type PlotData } from "../model/plot";
import { formatDateTime } from "../model/time";
import { formatValue } from "../model/units";

export function Strip({ data, zone }: { data: PlotData; zone: string }): ReactElement {
  const { t } = useTranslation();
  const segments = stripSegments(data);
  const { upPct, unknownPct } = availability(data);
  const range = Math.max(1, data.toMs - data.fromMs);
  const summary = t("chart.strip_summary", { up: formatValue(upPct, "pct"), unknown: formatValue(unknownPct, "pct") });
  return (
    <div className="strip">
      <div className="strip-bar" role="img" aria-label={summary}>
        {segments.map((s) => {
          const when = `${formatDateTime(s.fromMs, zone)} – ${formatDateTime(s.toMs, zone)}`;
          const what = s.reason === null ? t(`chart.strip_${s.state}`) : `${t("chart.strip_unknown")}: ${t(`reason.${s.reason}`)}`;
          const left = (100 * (s.fromMs - data.fromMs)) / range;
          const width = (100 * (s.toMs - s.fromMs)) / range;
          return (
            <span
              key={s.fromMs}
              className={`strip-segment is-${s.state}${s.reason === "pending" ? " is-pending" : ""}`}
              style={{ left: `${left}%`, width: `${width}%` }}
              title={`${what} · ${when}`}
            />
          );
        })}
      </div>
      <div className="strip-legend">
        <span><i className="swatch is-up" /> {t("chart.strip_up")}</span>
        <span><i className="swatch is-failing" /> {t("chart.strip_failing")}</span>
        <span><i className="swatch is-unknown" /> {t("chart.strip_unknown")}</span>
        <span className="strip-sum">{summary}</span>
      </div>
    </div>
  );
}
