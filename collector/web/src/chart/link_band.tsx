// One row of a link's history: each state with its own colour, height and pattern.  It takes the keyboard as a slider does: the arrows
// go from span to span, and a screen reader hears the span in words.

import type { KeyboardEvent, PointerEvent, ReactElement } from "react";

import { LINK_STATES, type LinkSpan } from "../api/link";
import { bandParts, spanAt } from "../model/link";

interface Props {
  spans: readonly LinkSpan[];
  fromMs: number;
  toMs: number;
  /** What the row is about; heard before the span. */
  label: string;
  wordsOf: (span: LinkSpan) => string;
  /** The span that is looked at, by its place; null: none. */
  at: number | null;
  onAt: (at: number | null) => void;
  isLarge?: boolean;
}

export function LinkBand({ spans, fromMs, toMs, label, wordsOf, at, onAt, isLarge = false }: Props): ReactElement {
  const last = spans.length - 1;
  const here = Math.min(at ?? last, last);
  const span = spans[here];
  const onKey = (event: KeyboardEvent): void => {
    const to = { ArrowLeft: here - 1, ArrowDown: here - 1, ArrowRight: here + 1, ArrowUp: here + 1, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      onAt(Math.max(0, Math.min(last, to)));
    }
  };
  const onPoint = (event: PointerEvent<HTMLDivElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    onAt(spanAt(spans, fromMs + ((event.clientX - box.left) / Math.max(1, box.width)) * (toMs - fromMs)));
  };
  return (
    <div
      className={`lb-band${isLarge ? " is-large" : ""}`}
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-orientation="horizontal"
      aria-valuemin={1}
      aria-valuemax={Math.max(1, spans.length)}
      aria-valuenow={Math.max(1, here + 1)}
      aria-valuetext={span === undefined ? "" : wordsOf(span)}
      onKeyDown={onKey}
      onFocus={() => onAt(here)}
      onPointerMove={onPoint}
      onPointerDown={onPoint}
    >
      {bandParts(spans, fromMs, toMs).map((p) => (
        <span
          key={p.span.from_unix_ms}
          className={`lb-part is-${p.span.state}${p.span.reason === "not_in_service" ? " is-outside" : ""}${p.span === span && at !== null ? " is-here" : ""}`}
          style={{ left: `${p.leftPct}%`, width: `${p.widthPct}%`, zIndex: LINK_STATES.indexOf(p.span.state) + 1 }}
        />
      ))}
    </div>
  );
}

export function LinkSwatch({ state, isOutside = false }: { state: LinkSpan["state"]; isOutside?: boolean }): ReactElement {
  return <i className={`lb-swatch is-${state}${isOutside ? " is-outside" : ""}`} aria-hidden="true" />;
}
