// Mounts one uPlot.  It is made anew when lines, colours or language change; new data are fed to the one that is there, so that a drag
// under way survives a refresh.

import "uplot/dist/uPlot.min.css";

import { useEffect, useEffectEvent, useRef, type ReactElement } from "react";
import uPlot from "uplot";

import { columns, options, type PlotInput } from "./options";

interface Props {
  input: PlotInput;
  height: number;
  summary: string;
  onCursor: (index: number | null) => void;
  onZoom: (fromMs: number, toMs: number) => void;
}

/** What a plot cannot change once it is made. */
function frameOf(input: PlotInput): string {
  return JSON.stringify([input.names, [...input.hidden], input.isStack, input.unit, input.max, input.zone, input.ink.axis, input.data.lines.length]);
}

export function Plot({ input, height, summary, onCursor, onZoom }: Props): ReactElement {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const newest = useRef(input);
  const onCursorNow = useEffectEvent(onCursor);
  const onZoomNow = useEffectEvent(onZoom);
  const frame = frameOf(input);

  useEffect(() => {
    newest.current = input;
    plot.current?.setData(columns(input));
  }, [input]);

  useEffect(() => {
    const element = host.current;
    if (element === null) {
      return undefined;
    }
    const size = { width: Math.max(200, element.clientWidth), height };
    const made = new uPlot(
      options(() => newest.current, size, { onCursor: (i) => onCursorNow(i), onZoom: (from, to) => onZoomNow(from, to) }),
      columns(newest.current),
      element,
    );
    plot.current = made;
    const resize = new ResizeObserver(() => {
      const width = Math.max(200, element.clientWidth);
      if (width !== made.width) {
        made.setSize({ width, height });
      }
    });
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [frame, height]);

  return <div ref={host} className="plot" role="img" aria-label={summary} style={{ minHeight: height }} />;
}
