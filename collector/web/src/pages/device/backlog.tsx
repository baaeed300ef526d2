// What is still on the device and will come: how much, since when, how long it takes, or until when it is held back.

import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { Device } from "../../api/devices";
import { backlogOf, isBacklog, type Backlog, type Waiting } from "../../model/link";
import { formatDateTime } from "../../model/time";
import { formatValue } from "../../model/units";
import { Age, durationText } from "../../ui/age";
import { useNowMs } from "../../ui/now";

interface Props {
  device: Device;
  zone: string;
}

function names(list: readonly Waiting["stream"][], t: TFunction): string {
  return list.map((s) => t(`quality.stream_${s}`)).join(t("device.join"));
}

// Shorter is not worth a word.
const SOON_MS = 5_000;

/** A rate that moves does not tell seconds. */
function roughly(ms: number): number {
  return ms > 120_000 ? Math.round(ms / 60_000) * 60_000 : ms;
}

/** What held it back has opened since the device spoke; a metered one speaks once an hour. */
function hasOpened(backlog: Backlog, nowMs: number): boolean {
  return backlog.opensMs !== null && backlog.opensMs <= nowMs;
}

/** When it will be here: said only as far as it is known. */
function expectation(backlog: Backlog, isOnline: boolean, nowMs: number, zone: string, t: TFunction): string[] {
  const said: string[] = [];
  if (!isOnline) {
    said.push(t("device.backlog_offline"));
  } else if (isBacklog(backlog) && backlog.drainMs !== null && backlog.drainMs > SOON_MS) {
    said.push(t("device.backlog_drains", { span: durationText(roughly(backlog.drainMs), t) }));
  }
  if (backlog.held.length > 0) {
    const what = names(backlog.held, t);
    said.push(backlog.opensMs === null ? t("device.backlog_held", { what })
      : t(hasOpened(backlog, nowMs) ? "device.backlog_held_then" : "device.backlog_held_until", { what, time: formatDateTime(backlog.opensMs, zone) }));
  }
  return said;
}

function Classes({ backlog, nowMs, zone }: { backlog: Backlog; nowMs: number; zone: string }): ReactElement {
  const { t, i18n } = useTranslation();
  return (
    <ul className="backlog-list">
      {backlog.byStream.filter((w) => w.batches > 0).map((w) => (
        <li key={w.stream}>
          <b>{t(`quality.stream_${w.stream}`)}</b>
          <span className="is-tabular">{t("device.batches", { count: w.batches, batches: w.batches.toLocaleString(i18n.language) })} · {formatValue(w.bytes, "bytes")}</span>
          <span className="is-faint">{w.oldestMs !== null && <>{t("device.oldest")} <Age unixMs={w.oldestMs} zone={zone} /></>}</span>
          {w.isHeld && !hasOpened(backlog, nowMs) && <span className="tag">{t("device.held_now")}</span>}
        </li>
      ))}
    </ul>
  );
}

export function BacklogPanel({ device, zone }: Props): ReactElement {
  const { t, i18n } = useTranslation();
  const backlog = backlogOf(device.report);
  const isOnline = device.presence === "online";
  const nowMs = useNowMs(1000);
  return (
    <section className="panel" aria-labelledby="device-backlog">
      <h2 id="device-backlog">{t("device.backlog")}</h2>
      {backlog === null ? <p className="is-faint">{t(device.state === "never" ? "device.backlog_never" : "device.backlog_unsaid")}</p> : (
        <>
          <p className={`device-say${isBacklog(backlog) ? " is-late" : ""}`}>
            {!isBacklog(backlog) ? t(isOnline ? "device.backlog_none" : "device.backlog_none_then")
              : t("device.backlog_some", { count: backlog.batches, batches: backlog.batches.toLocaleString(i18n.language), bytes: formatValue(backlog.bytes, "bytes") })}
          </p>
          {isBacklog(backlog) && backlog.oldestMs !== null && <p>{t("device.backlog_oldest", { time: formatDateTime(backlog.oldestMs, zone) })}</p>}
          {expectation(backlog, isOnline, nowMs, zone, t).map((line) => <p key={line}>{line}</p>)}
          {(isBacklog(backlog) || backlog.held.length > 0) && <Classes backlog={backlog} nowMs={nowMs} zone={zone} />}
          <p className="list-note">{t("device.said_at")} <Age unixMs={backlog.atMs} zone={zone} /></p>
        </>
      )}
    </section>
  );
}
