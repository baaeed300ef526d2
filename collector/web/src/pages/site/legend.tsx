// Below a chart: one entry a line with its value under the cursor (or the latest), and every reason for which data are missing.

import { Tooltip } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { Ink } from "../../chart/palette";
import { doubtAt, worstDoubt } from "../../model/doubt";
import { gapAt, sumByReason } from "../../model/gaps";
import type { PlotData } from "../../model/plot";
import { isThinned, totalMs } from "../../model/thinned";
import { formatTime } from "../../model/time";
import { formatValue, type Unit } from "../../model/units";
import { spanText } from "../../ui/age";
import { Doubt, doubtText } from "../../ui/doubt";

interface Props {
  data: PlotData;
  names: string[];
  unit: Unit;
  zone: string;
  ink: Ink;
  cursor: number | null;
  hidden: ReadonlySet<number>;
  onToggle: (line: number) => void;
}

function cursorText(props: Props, line: number, at: number): { value: string; range: string | null } {
  const { data, unit } = props;
  const l = data.lines[line];
  const [mean, min, max] = [l?.mean[at], l?.min[at], l?.max[at]];
  const isSpread = typeof min === "number" && typeof max === "number" && formatValue(min, unit) !== formatValue(max, unit);
  return { value: formatValue(mean, unit), range: isSpread ? `${formatValue(min, unit)} – ${formatValue(max, unit)}` : null };
}

function Entry({ props, line }: { props: Props; line: number }): ReactElement {
  const { t } = useTranslation();
  const { data, names, unit, ink, cursor, hidden } = props;
  const name = names[line] ?? "";
  const l = data.lines[line];
  const { value, range } = cursor === null
    ? { value: formatValue(l?.latest ?? null, unit), range: null }
    : cursorText(props, line, cursor);
  return (
    <button type="button" className="legend-entry" aria-pressed={!hidden.has(line)} title={t("chart.toggle", { name })} onClick={() => props.onToggle(line)}>
      <i className="legend-swatch" style={{ background: ink.line(line) }} />
      <span className="legend-name">{name}</span>
      <span className="legend-value">{value}</span>
      {range !== null && <span className="legend-range">{range}</span>}
    </button>
  );
}

export function Legend(props: Props): ReactElement {
  const { t } = useTranslation();
  const { data, cursor, zone } = props;
  const atMs = cursor === null ? undefined : data.t[cursor];
  const gap = atMs === undefined ? undefined : gapAt(data.gaps, atMs + data.stepMs / 2);
  const sums = sumByReason(data.gaps);
  const thinnedMs = totalMs(data.thinned);
  const worst = doubtText(worstDoubt(data.doubts), t);
  return (
    <div className="legend">
      <div className="legend-entries">
        <span className="legend-at" aria-hidden="true">
          {atMs === undefined ? t("chart.latest") : t("chart.at", { time: formatTime(atMs, zone) })}
          {atMs !== undefined && <Doubt ms={doubtAt(data.doubts, atMs + data.stepMs / 2)} />}
          {gap !== undefined && <strong> · {t(`reason.${gap.reason}`)}</strong>}
          {atMs !== undefined && isThinned(data.thinned, atMs + data.stepMs / 2) && <strong> · {t("chart.thinned")}</strong>}
        </span>
        {props.names.map((_, line) => <Entry key={line} props={props} line={line} />)}
      </div>
      {worst !== null && <p className="legend-doubt">{t("doubt.range", { within: worst })}</p>}
      {sums.length > 0 && (
        <p className="legend-gaps">
          <span>{t("chart.gaps")}</span>
          {sums.map((s) => (
            <Tooltip key={s.reason} title={t(`reason_help.${s.reason}`)} trigger={["hover", "focus"]}>
              <span className="legend-gap" tabIndex={0}>
                <i className={`swatch is-unknown${s.reason === "pending" ? " is-pending" : ""}`} />
                {t("chart.gap_item", { reason: t(`reason.${s.reason}`), span: spanText(s.totalMs, t) })}
              </span>
            </Tooltip>
          ))}
        </p>
      )}
      {thinnedMs > 0 && (
        <p className="legend-gaps">
          <Tooltip title={t("reason_help.thinned")} trigger={["hover", "focus"]}>
            <span className="legend-gap" tabIndex={0}>
              <i className="swatch is-thinned" />
              {t("chart.thinned_item", { span: spanText(thinnedMs, t) })}
            </span>
          </Tooltip>
        </p>
      )}
    </div>
  );
}
