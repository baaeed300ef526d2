// Losses by reason, day by day: stacked bars with a legend in words and sums; the same figures stand in the table below.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { GapTotals } from "../../api/ledger";
import { ink } from "../../chart/palette";
import { REASONS } from "../../model/gaps";
import { highestMs, lossBars, lossReasons } from "../../model/losses";
import { formatDate } from "../../model/time";
import { durationText } from "../../ui/age";
import { useIsDark } from "../../ui/theme";
import { Nothing } from "../../ui/view";

const [WIDTH, HEIGHT, GAP] = [900, 150, 3];

export function LossChart({ totals, zone }: { totals: GapTotals; zone: string }): ReactElement {
  const { t } = useTranslation();
  const lines = ink(useIsDark());
  const bars = lossBars(totals.buckets);
  const top = highestMs(bars);
  if (top === 0) {
    return <Nothing title={t("quality.no_losses")} />;
  }
  const colour = (reason: (typeof REASONS)[number]): string => lines.line(REASONS.indexOf(reason));
  const step = WIDTH / bars.length;
  const sums = lossReasons(bars).map((reason) => ({
    reason,
    ms: bars.reduce((sum, b) => sum + (b.parts.find((p) => p.reason === reason)?.ms ?? 0), 0),
  }));
  const summary = t("quality.chart_summary", { sums: sums.map((s) => `${t(`reason.${s.reason}`)}: ${durationText(s.ms, t)}`).join("; ") });
  const [first, last] = [bars[0]?.atMs ?? 0, bars[bars.length - 1]?.atMs ?? 0];
  return (
    <figure className="losses">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={summary}>
        {bars.map((bar, i) => bar.parts.map((p) => (
          <rect
            key={`${bar.atMs}:${p.reason}`}
            x={i * step + GAP / 2}
            width={Math.max(1, step - GAP)}
            y={HEIGHT - (HEIGHT * (p.fromMs + p.ms)) / top}
            height={Math.max(1, (HEIGHT * p.ms) / top)}
            fill={colour(p.reason)}
          >
            <title>{`${formatDate(bar.atMs, zone)} · ${t(`reason.${p.reason}`)}: ${durationText(p.ms, t)}`}</title>
          </rect>
        )))}
      </svg>
      <div className="losses-axis"><span>{formatDate(first, zone)}</span><span>{t("quality.chart_top", { span: durationText(top, t) })}</span><span>{formatDate(last, zone)}</span></div>
      <figcaption>
        {sums.map((s) => (
          <span key={s.reason}><i className="swatch" style={{ background: colour(s.reason), borderColor: colour(s.reason) }} /> {t(`reason.${s.reason}`)}: {durationText(s.ms, t)}</span>
        ))}
      </figcaption>
    </figure>
  );
}
