// The five states of everything that shows data: loading, error, empty, stale, normal.  A page gives what it loads and how it looks
// when it is there; none can forget the other four.

import { Button } from "antd";
import type { ReactElement, ReactNode } from "react";
import { useTranslation } from "react-i18next";

import type { ApiError } from "../api/http";
import { browserZone, formatDateTime } from "../model/time";
import { errorText } from "./error_text";
import { StateIcon } from "./state_badge";
import type { Polled } from "./use_poll";

export function Loading(): ReactElement {
  const { t } = useTranslation();
  return (
    <div className="view-loading" role="status">
      <span className="visually-hidden">{t("view.loading")}</span>
      <span className="bone" style={{ width: "38%" }} />
      <span className="bone" style={{ width: "92%" }} />
      <span className="bone" style={{ width: "76%" }} />
    </div>
  );
}

export function ErrorBox({ error, onRetry }: { error: ApiError; onRetry: () => void }): ReactElement {
  const { t } = useTranslation();
  return (
    <div className="view-error" role="alert">
      <h2>{t("error.title")}</h2>
      <p className="is-lines">{errorText(error, t)}</p>
      <Button onClick={onRetry}>{t("error.retry")}</Button>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }): ReactElement {
  return (
    <div className="view-empty">
      <svg width="72" height="44" viewBox="0 0 72 44" aria-hidden="true" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round">
        <path d="M4 38h64" />
        <path d="M10 30c10 0 10-16 22-16" strokeDasharray="4 5" />
        <circle cx="36" cy="14" r="4" />
        <path d="M42 14h20" strokeDasharray="4 5" />
      </svg>
      <p className="view-empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Beside other things on a page: one line, where there being nothing is good news. */
export function Nothing({ title }: { title: string }): ReactElement {
  return <p className="view-nothing"><StateIcon state="up" /> {title}</p>;
}

export function StaleBanner<T>({ polled }: { polled: Polled<T> }): ReactElement | null {
  const { t } = useTranslation();
  if (polled.kind !== "stale") {
    return null;
  }
  const zone = browserZone();
  const say = (ms: number | undefined): string => (ms === undefined ? t("time.unknown") : formatDateTime(ms, zone));
  const at = polled.poll.atMs;
  return (
    <div className="stale-banner" role="alert">
      <span>{t("view.stale", { time: say(polled.poll.failingSinceMs ?? at), at: say(at) })}</span>
      <Button size="small" onClick={polled.refresh}>{t("view.retry_now")}</Button>
    </div>
  );
}

interface ViewProps<T> {
  polled: Polled<T>;
  isEmpty?: (value: T) => boolean;
  empty?: ReactNode;
  children: (value: T) => ReactNode;
}

export function View<T>({ polled, isEmpty, empty, children }: ViewProps<T>): ReactElement {
  const { value } = polled;
  if (value === undefined) {
    return polled.poll.error === undefined ? <Loading /> : <ErrorBox error={polled.poll.error} onRetry={polled.refresh} />;
  }
  return (
    <>
      <StaleBanner polled={polled} />
      <div className={polled.kind === "stale" ? "is-stale" : undefined}>
        {isEmpty?.(value) === true ? empty : children(value)}
      </div>
    </>
  );
}
