// The cells of one KPI at one site: a step a window, drawn by how sure it is; below it how complete each window is; what is not known
// hatched.  An incident's chart also has its threshold and the time it held.

import { useId, useMemo, useRef, useState, type ReactElement } from "react";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";

import type { Cell } from "../api/kpis";
import { amountTicks, formatAmount, formatShare } from "../model/amounts";
import { blankKind, blanks, cellAt, lookOf, sortCells, steps, valueScale, type BlankKind, type Look, type Step } from "../model/cells";
import { tickLabels, timeTicks } from "../model/ticks";
import { formatDateTime, formatTime } from "../model/time";
import "../i18n/work";
import { doubtText } from "../ui/doubt";
import { useWidth } from "./use_width";

export interface CellChartProps {
  cells: readonly Cell[];
  fromMs: number;
  toMs: number;
  zone: string;
  unit: string;
  title: string;
  /** A line across, with its words. */
  line?: { value: number; name: string } | null;
  /** Shaded, with its words. */
  span?: { fromMs: number; toMs: number; name: string } | null;
  /** One of many: the key stands once above them all. */
  isSmall?: boolean;
}

const LEFT = 64;
const RIGHT = 10;
const TOP = 10;
const PLOT = 150;
const BAND = 10;
const HEIGHT = TOP + PLOT + 6 + BAND + 24;
const LOOKS: readonly Look[] = ["final", "ready", "provisional"];

export function cellWords(cell: Cell, unit: string, t: TFunction): string {
  const value = cell.value === null ? t(`cell.${blankKind(cell)}`) : formatAmount(cell.value, unit);
  const doubt = doubtText(cell.clock_doubt_ms, t);
  return [value, t("cell.n", { count: cell.n }), t("cell.complete", { share: formatShare(cell.completeness) }), t(`cell.state_${lookOf(cell)}`), ...(cell.thinned ? [t("cell.thinned")] : []), ...(doubt === null ? [] : [t("doubt.cell", { within: doubt })])].join(" · ");
}

function summary(props: CellChartProps, cells: readonly Cell[], t: TFunction): string {
  const known = cells.filter((c) => c.value !== null);
  const values = known.map((c) => c.value ?? 0);
  if (known.length === 0) {
    return t("cell.summary_none", { title: props.title });
  }
  return t("cell.summary", {
    title: props.title,
    count: known.length,
    all: cells.length,
    min: formatAmount(Math.min(...values), props.unit),
    max: formatAmount(Math.max(...values), props.unit),
    latest: formatAmount(values[values.length - 1] ?? null, props.unit),
  });
}

interface Geometry {
  x: (ms: number) => number;
  y: (value: number) => number;
}

function path(list: readonly Step[], { x, y }: Geometry): string {
  return list.map((s) => `${s.joins === null ? `M${x(s.fromMs)} ${y(s.value)}` : `M${x(s.fromMs)} ${y(s.joins)}V${y(s.value)}`}H${x(s.toMs)}`).join("");
}

function Band({ cells, g }: { cells: readonly Cell[]; g: Geometry }): ReactElement {
  const top = TOP + PLOT + 6;
  return (
    <g>
      {cells.map((c) => {
        const [left, right] = [g.x(c.begin_unix_ms), g.x(c.end_unix_ms)];
        const full = BAND * Math.min(1, Math.max(0, c.completeness));
        return <rect key={c.begin_unix_ms} className="cc-complete" x={left} y={top + BAND - full} width={Math.max(right - left - (right - left > 3 ? 1 : 0), 0.5)} height={full} />;
      })}
    </g>
  );
}

interface KeyProps {
  looks: ReadonlySet<Look>;
  kinds: ReadonlySet<BlankKind>;
  props: Pick<CellChartProps, "line" | "span">;
}

/** The key of many small charts: everything that may occur in one. */
export function CommonKey({ line }: Pick<CellChartProps, "line">): ReactElement {
  return <Key looks={new Set(LOOKS)} kinds={new Set(["unknown", "pending", "quiet"])} props={{ line: line ?? null }} />;
}

function Key({ looks, kinds, props }: KeyProps): ReactElement {
  const { t } = useTranslation();
  return (
    <div className="cc-key">
      {LOOKS.filter((l) => looks.has(l)).map((look) => (
        <span key={look}><svg width="26" height="10" aria-hidden="true"><path className={`cc-line is-${look}`} d="M1 5H25" /></svg> {t(`cell.state_${look}`)}</span>
      ))}
      {props.line !== null && props.line !== undefined && (
        <span><svg width="26" height="10" aria-hidden="true"><path className="cc-threshold" d="M1 5H25" /></svg> {props.line.name}</span>
      )}
      {props.span !== null && props.span !== undefined && <span><i className="cc-swatch is-span" /> {props.span.name}</span>}
      {kinds.has("unknown") && <span><i className="swatch is-unknown" /> {t("cell.unknown")}</span>}
      {kinds.has("pending") && <span><i className="swatch is-unknown is-pending" /> {t("cell.pending")}</span>}
      {kinds.has("means") && <span><i className="swatch is-thinned" /> {t("cell.means")}</span>}
      {kinds.has("quiet") && <span><i className="cc-swatch is-quiet" /> {t("cell.quiet")}</span>}
      <span><i className="cc-swatch is-complete" /> {t("cell.completeness")}</span>
    </div>
  );
}

export function CellChart(props: CellChartProps): ReactElement {
  const { fromMs, toMs, zone, unit, line = null, span = null, isSmall = false } = props;
  const { t } = useTranslation();
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame, 640);
  const id = useId();
  const [at, setAt] = useState<number | null>(null);
  const cells = useMemo(() => sortCells(props.cells).filter((c) => c.end_unix_ms > fromMs && c.begin_unix_ms < toMs), [props.cells, fromMs, toMs]);
  const empty = useMemo(() => blanks(cells, fromMs, toMs), [cells, fromMs, toMs]);
  const list = useMemo(() => steps(cells), [cells]);
  const { low, high } = valueScale(cells, [line?.value ?? null], unit);
  const inner = Math.max(50, width - LEFT - RIGHT);
  const clamp = (ms: number): number => Math.min(toMs, Math.max(fromMs, ms));
  const g: Geometry = {
    x: (ms) => Number((LEFT + (inner * (clamp(ms) - fromMs)) / (toMs - fromMs)).toFixed(1)),
    y: (v) => Number((TOP + PLOT * (1 - (v - low) / (high - low))).toFixed(1)),
  };
  const ticks = timeTicks(fromMs, toMs, zone, inner);
  const labels = tickLabels(ticks, zone);
  const marks = amountTicks(low, high, 5, unit);
  const here = at === null ? undefined : cellAt(cells, at);
  const blank = at === null ? undefined : empty.find((b) => b.fromMs <= at && at < b.toMs);
  const looks = new Set(list.map((s) => s.look));
  const onMove = (event: React.PointerEvent<SVGSVGElement>): void => {
    const px = event.clientX - event.currentTarget.getBoundingClientRect().left - LEFT;
    setAt(px < 0 || px > inner ? null : fromMs + (px / inner) * (toMs - fromMs));
  };
  return (
    <div className="cc" ref={frame}>
      <svg width={width} height={HEIGHT} role="img" aria-label={summary(props, cells, t)} onPointerMove={onMove} onPointerLeave={() => setAt(null)}>
        <defs>
          <pattern id={`${id}h`} width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
            <rect width="8" height="8" className="cc-hatch-ground" />
            <rect width="8" height="3" className="cc-hatch-stripe" />
          </pattern>
        </defs>
        {empty.map((b) => (
          <rect key={b.fromMs} className={`cc-blank is-${b.kind}`} x={g.x(b.fromMs)} y={TOP} width={Math.max(g.x(b.toMs) - g.x(b.fromMs), 0.5)} height={PLOT}
            fill={b.kind === "quiet" || b.kind === "means" ? "none" : `url(#${id}h)`} />
        ))}
        {span !== null && (
          <g>
            <rect className="cc-span" x={g.x(span.fromMs)} y={TOP} width={Math.max(g.x(span.toMs) - g.x(span.fromMs), 2)} height={PLOT} />
            {span.fromMs >= fromMs && <path className="cc-span-edge" d={`M${g.x(span.fromMs)} ${TOP}V${TOP + PLOT}`} />}
            {span.toMs < toMs && <path className="cc-span-edge" d={`M${g.x(span.toMs)} ${TOP}V${TOP + PLOT}`} />}
          </g>
        )}
        {marks.map((m) => (
          <g key={m}>
            <path className="cc-grid" d={`M${LEFT} ${g.y(m)}H${LEFT + inner}`} />
            <text className="cc-text" x={LEFT - 8} y={g.y(m) + 4} textAnchor="end">{formatAmount(m, unit)}</text>
          </g>
        ))}
        {ticks.map((tick, i) => (
          <text key={tick} className="cc-text" x={g.x(tick)} y={HEIGHT - 6} textAnchor={g.x(tick) > width - 24 ? "end" : "middle"}>{labels[i]}</text>
        ))}
        {line !== null && <path className="cc-threshold" d={`M${LEFT} ${g.y(line.value)}H${LEFT + inner}`} />}
        {LOOKS.map((look) => <path key={look} className={`cc-line is-${look}`} d={path(list.filter((s) => s.look === look), g)} />)}
        <Band cells={cells} g={g} />
        {at !== null && <path className="cc-cursor" d={`M${g.x(at)} ${TOP}V${TOP + PLOT + 6 + BAND}`} />}
      </svg>
      <p className="cc-at" aria-hidden="true">
        {here !== undefined ? `${formatDateTime(here.begin_unix_ms, zone)} – ${formatTime(here.end_unix_ms, zone)} · ${cellWords(here, unit, t)}`
          : blank !== undefined ? t(`cell.${blank.kind}`) : isSmall ? "" : t("cell.point")}
      </p>
      {!isSmall && <Key looks={looks} kinds={new Set(empty.map((b) => b.kind))} props={props} />}
    </div>
  );
}
