// From plot data to uPlot's options and columns.  No DOM but the canvas that uPlot hands to its hooks.

import type uPlot from "uplot";

import type { Gap } from "../model/gaps";
import { stack, type PlotData } from "../model/plot";
import type { Span } from "../model/thinned";
import { tickLabels, timeTicks } from "../model/ticks";
import { formatValue, type Unit } from "../model/units";
import { faint, type Ink } from "./palette";

export interface PlotInput {
  data: PlotData;
  names: string[];
  hidden: ReadonlySet<number>;
  isStack: boolean;
  unit: Unit;
  max: number | null;
  zone: string;
  ink: Ink;
}

export const AXIS_PX = 68;
const BAND_LINES = 4;

/** More lines than this and bands would only smear into each other. */
export function hasBands(input: PlotInput): boolean {
  return !input.isStack && input.data.lines.length - input.hidden.size <= BAND_LINES;
}

export function columns(input: PlotInput): uPlot.AlignedData {
  const { data, hidden, isStack } = input;
  const x = data.t.map((t) => t / 1000);
  const means = data.lines.map((l) => l.mean);
  const lines = isStack ? stack(means, hidden) : means;
  const bands = hasBands(input) ? data.lines.flatMap((l) => [l.max, l.min]) : [];
  return [x, ...lines, ...bands] as uPlot.AlignedData;
}

function lineSeries(input: PlotInput): uPlot.Series[] {
  return input.data.lines.map((_, i) => {
    const colour = input.ink.line(i);
    return {
      label: input.names[i] ?? "",
      show: !input.hidden.has(i),
      stroke: colour,
      width: input.isStack ? 1 : 1.75,
      points: { show: false },
      spanGaps: false,
    };
  });
}

function bandSeries(input: PlotInput): uPlot.Series[] {
  if (!hasBands(input)) {
    return [];
  }
  return input.data.lines.flatMap((_, i) => {
    const one: uPlot.Series = { show: !input.hidden.has(i), width: 0, points: { show: false }, spanGaps: false };
    return [one, { ...one }];
  });
}

function bands(input: PlotInput): uPlot.Band[] {
  const lines = input.data.lines.length;
  if (input.isStack) {
    const visible = input.data.lines.map((_, i) => i).filter((i) => !input.hidden.has(i));
    return visible.slice(1).map((i, n) => ({ series: [i + 1, (visible[n] ?? 0) + 1], fill: faint(input.ink.line(i), "99") }));
  }
  if (!hasBands(input)) {
    return [];
  }
  return input.data.lines.map((_, i) => ({ series: [1 + lines + 2 * i, 2 + lines + 2 * i], fill: faint(input.ink.line(i), "2e") }));
}

function hatch(ctx: CanvasRenderingContext2D, stripe: string, ground: string): CanvasPattern | string {
  const tile = document.createElement("canvas");
  const size = 8;
  tile.width = size;
  tile.height = size;
  const pen = tile.getContext("2d");
  if (pen === null) {
    return ground;
  }
  pen.fillStyle = ground;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = stripe;
  pen.lineWidth = 1.6;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift, size);
    pen.lineTo(shift + size, 0);
  }
  pen.stroke();
  return ctx.createPattern(tile, "repeat") ?? ground;
}

function drawGaps(u: uPlot, gaps: readonly Gap[], ink: Ink): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const gap of gaps) {
    const left = u.valToPos(gap.fromMs / 1000, "x", true);
    const right = u.valToPos(gap.toMs / 1000, "x", true);
    ctx.fillStyle = hatch(ctx, gap.reason === "pending" ? ink.pendingStripe : ink.gapStripe, ink.gap);
    ctx.fillRect(left, bbox.top, Math.max(right - left, 1), bbox.height);
  }
  ctx.restore();
}

const THINNED_PX = 4;

/** A dashed bar along the upper edge: below it the line goes on, so the ground stays free. */
function drawThinned(u: uPlot, spans: readonly Span[], ink: Ink): void {
  const { ctx, bbox } = u;
  const height = THINNED_PX * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.strokeStyle = ink.thinned;
  ctx.lineWidth = height;
  ctx.setLineDash([2 * height, height]);
  for (const span of spans) {
    const left = Math.max(bbox.left, u.valToPos(span.fromMs / 1000, "x", true));
    const right = u.valToPos(span.toMs / 1000, "x", true);
    ctx.beginPath();
    ctx.moveTo(left, bbox.top + height / 2);
    ctx.lineTo(Math.max(right, left + height), bbox.top + height / 2);
    ctx.stroke();
  }
  ctx.restore();
}

function yRange(input: PlotInput): uPlot.Range.Function {
  return (_u, low, high) => {
    if (input.max !== null) {
      return [0, Math.max(input.max, Number.isFinite(high) ? high : 0)];
    }
    if (!Number.isFinite(low) || !Number.isFinite(high) || low === null || high === null) {
      return [0, 1];
    }
    if (input.unit === "code") {
      return [0, Math.max(600, high)];
    }
    // Measured quantities begin at zero: a chart that does not makes ripples look like waves.
    const floor = low < 0 ? low * 1.1 : 0;
    return [floor, high <= floor ? floor + 1 : high * 1.08];
  };
}

/** Bytes are marked in steps of 1, 2, 4 ... 512 of their unit: in tens they would read 3.73 GiB. */
function increments(unit: Unit): Pick<uPlot.Axis, "incrs"> {
  const isBytes = unit === "bytes" || unit === "bytes_per_s";
  return isBytes ? { incrs: Array.from({ length: 56 }, (_, n) => 2 ** n) } : {};
}

export interface Callbacks {
  onCursor: (index: number | null) => void;
  onZoom: (fromMs: number, toMs: number) => void;
}

/** `get` gives the newest input: what is drawn moves on while the plot, and a drag under way on it, stays. */
export function options(get: () => PlotInput, size: { width: number; height: number }, on: Callbacks): uPlot.Options {
  const input = get();
  const { ink, zone } = input;
  const axis: uPlot.Axis = {
    stroke: ink.axis,
    grid: { stroke: ink.grid, width: 1 },
    ticks: { stroke: ink.grid, width: 1, size: 5 },
    font: "12px system-ui, sans-serif",
  };
  return {
    ...size,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    series: [{}, ...lineSeries(input), ...bandSeries(input)].map((s, i) =>
      input.isStack && i === 1 + firstVisible(input) ? { ...s, fill: faint(ink.line(i - 1), "99") } : s,
    ),
    bands: bands(input),
    scales: {
      x: { time: false, range: () => [get().data.fromMs / 1000, get().data.toMs / 1000] },
      y: { range: yRange(input) },
    },
    axes: [
      {
        ...axis,
        size: 30,
        splits: (u) => timeTicks(get().data.fromMs, get().data.toMs, zone, u.bbox.width / devicePixelRatio).map((t) => t / 1000),
        values: (_u, splits) => tickLabels(splits.map((s) => s * 1000), zone),
      },
      { ...axis, size: AXIS_PX, ...increments(input.unit), values: (_u, splits) => splits.map((v) => formatValue(v, input.unit)) },
    ],
    cursor: {
      // The cursor is shared between charts; a drag is not, or each of them would zoom.
      sync: { key: "site", setSeries: false, filters: { pub: (type) => type === "mousemove" || type === "mouseleave", sub: () => true } },
      drag: { x: true, y: false, setScale: false },
      points: { show: false },
      y: false,
    },
    hooks: {
      drawClear: [
        (u) => {
          drawGaps(u, get().data.gaps, ink);
          drawThinned(u, get().data.thinned, ink);
        },
      ],
      setCursor: [(u) => on.onCursor(u.cursor.idx ?? null)],
      setSelect: [
        (u) => {
          if (u.select.width > 4) {
            const from = u.posToVal(u.select.left, "x") * 1000;
            const to = u.posToVal(u.select.left + u.select.width, "x") * 1000;
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            on.onZoom(Math.round(from), Math.round(to));
          }
        },
      ],
    },
  };
}

function firstVisible(input: PlotInput): number {
  return input.data.lines.findIndex((_, i) => !input.hidden.has(i));
}

