// What reports at a device: by which ways programs report, when each last did, what was refused and why; exporters and plug-ins.

import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { Device } from "../../api/devices";
import { serverNowMs, type Result } from "../../api/http";
import { listSeries, querySeries, type QueriedSeries, type Series } from "../../api/telemetry";
import { AWAY_MS, BACK, CHECKS_MAX, checksOf, DAY, inletsOf, isCheck, isOwn, SILENT_MS, silentOnes, withOlder, type Check, type Inlet } from "../../model/inlets";
import { formatDateTime } from "../../model/time";
import { formatValue } from "../../model/units";
import { Age, spanText } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { StateIcon } from "../../ui/state_badge";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";
import { inletName, refusedText } from "./inlet_words";

const REFRESH_MS = 60_000;
const AT_ONCE = 20; // series of one question

export interface Reporting {
  inlets: Inlet[];
  checks: Check[];
  untilMs: number;
}

async function query(series: readonly Series[], range: { rangeMs: number; stepMs: number }, untilMs: number, signal: AbortSignal): Promise<Result<QueriedSeries[]>> {
  // Whole steps, so that a step is the same one at every look.
  const toMs = Math.ceil(untilMs / range.stepMs) * range.stepMs;
  const all: QueriedSeries[] = [];
  for (let i = 0; i < series.length; i += AT_ONCE) {
    const ids = series.slice(i, i + AT_ONCE).map((s) => s.id);
    const res = await querySeries(ids, { fromMs: toMs - range.rangeMs, toMs, stepMs: range.stepMs }, false, signal);
    if (!res.ok) {
      return res;
    }
    all.push(...res.value.series);
  }
  return { ok: true, value: all };
}

async function load(device: string, untilMs: number, signal: AbortSignal): Promise<Result<Reporting>> {
  const listed = await listSeries(device, signal);
  if (!listed.ok) {
    return listed;
  }
  const series = [...listed.value.filter(isOwn), ...listed.value.filter(isCheck).slice(0, CHECKS_MAX)];
  const day = await query(series, DAY, untilMs, signal);
  if (!day.ok) {
    return day;
  }
  const known = { series, answers: day.value, untilMs };
  const silent = silentOnes(known);
  const older = await query(series.filter((s) => silent.includes(s.id)), BACK, untilMs, signal);
  return older.ok ? { ok: true, value: { inlets: withOlder(inletsOf(known), { ...known, answers: older.value }), checks: checksOf(known), untilMs } } : older;
}

function Last({ inlet, untilMs, zone }: { inlet: Inlet; untilMs: number; zone: string }): ReactElement {
  const { t } = useTranslation();
  const { lastMs } = inlet;
  const silentMs = lastMs === null ? (inlet.noneForMs ?? BACK.rangeMs) : untilMs - lastMs;
  if (lastMs !== null && silentMs < SILENT_MS) {
    return <Age unixMs={lastMs} zone={zone} />;
  }
  return (
    <span className="inlet-silent">
      <b><StateIcon state="late" /> {t(lastMs === null ? "device.inlet_none_for" : "device.inlet_silent", { span: spanText(silentMs, t) })}</b>
      {lastMs !== null && <small className="is-faint">{t("device.inlet_last_at", { time: formatDateTime(lastMs, zone) })}</small>}
    </span>
  );
}

function Refused({ inlet, zone }: { inlet: Inlet; zone: string }): ReactElement {
  const { t, i18n } = useTranslation();
  const count = (n: number): string => Math.round(n).toLocaleString(i18n.language);
  if (inlet.refused.length === 0 && inlet.lost === 0) {
    return <span className="is-faint">{t("device.inlet_refused_none")}</span>;
  }
  return (
    <ul className="inlet-refused">
      {inlet.refused.map((r) => (
        <li key={r.reason}><b className="is-tabular">{count(r.count)}</b> {refusedText(r.reason, t)} <small className="is-faint"><Age unixMs={r.lastMs} zone={zone} /></small></li>
      ))}
      {inlet.lost > 0 && <li><b className="is-tabular">{count(inlet.lost)}</b> {t("device.inlet_lost")}</li>}
    </ul>
  );
}

function Inlets({ inlets, untilMs, zone }: { inlets: Inlet[]; untilMs: number; zone: string }): ReactElement {
  const { t, i18n } = useTranslation();
  const columns: Column<Inlet>[] = [
    { key: "inlet", title: t("device.inlet"), width: 200, render: (x) => <b>{inletName(x.inlet, t)}</b> },
    { key: "last", title: t("device.inlet_last"), width: 230, isWide: true, render: (x) => <Last inlet={x} untilMs={untilMs} zone={zone} /> },
    { key: "rate", title: t("device.inlet_rate"), width: 170, align: "right", render: (x) => formatValue(x.perMinute, "count") },
    { key: "day", title: t("device.inlet_day"), width: 110, align: "right", render: (x) => Math.round(x.day).toLocaleString(i18n.language) },
    { key: "refused", title: t("device.inlet_refused"), isWide: true, render: (x) => <Refused inlet={x} zone={zone} /> },
  ];
  return <DataTable keyOf={(x) => x.inlet} columns={columns} rows={inlets} minWidth={860} />;
}

const ICON = { ok: "up", warning: "late", critical: "down", unknown: "unknown" } as const;

function sinceText(check: Check, zone: string, t: TFunction): string {
  return check.sinceMs === null ? "" : t(check.isBefore ? "device.check_before" : "device.check_since", { time: formatDateTime(check.sinceMs, zone) });
}

/** What is well stands in one line; the rest one by one. */
function Checks({ checks, zone }: { checks: Check[]; zone: string }): ReactElement {
  const { t } = useTranslation();
  const bad = checks.filter((c) => c.state !== "ok");
  const good = checks.filter((c) => c.state === "ok");
  return (
    <>
      <h3>{t("device.checks")}</h3>
      <ul className="backlog-list">
        {bad.map((c) => (
          <li key={`${c.kind} ${c.name}`} className="inlet-check">
            <b>{c.name}</b>
            <span className="is-faint">{t(`device.kind_${c.kind}`)}</span>
            <span className={`state-badge is-${ICON[c.state]}`}><StateIcon state={ICON[c.state]} /> {t(`device.${c.kind}_${c.state}`)}</span>
            <span>{sinceText(c, zone, t)}</span>
          </li>
        ))}
        {good.length > 0 && (
          <li><span className="state-badge is-up"><StateIcon state="up" /> {t("device.checks_ok", { count: good.length })}</span> <span className="is-faint">{good.map((c) => c.name).join(t("device.join"))}</span></li>
        )}
      </ul>
      {checks.length >= CHECKS_MAX && <p className="list-note">{t("device.checks_more", { count: CHECKS_MAX })}</p>}
    </>
  );
}

export function Shown({ reporting: { inlets, checks, untilMs }, zone }: { reporting: Reporting; zone: string }): ReactElement {
  const { t } = useTranslation();
  const isAway = serverNowMs() - untilMs > AWAY_MS;
  return (
    <>
      {isAway && <p className="device-say is-unknown"><StateIcon state="unknown" /> {t("device.inlets_until", { time: formatDateTime(untilMs, zone) })}</p>}
      {inlets.length > 0 && <Inlets inlets={inlets} untilMs={untilMs} zone={zone} />}
      {checks.length > 0 && <Checks checks={checks} zone={zone} />}
    </>
  );
}

export function InletsPanel({ device, zone }: { device: Device; zone: string }): ReactElement | null {
  const { t } = useTranslation();
  const { data_until_unix_ms: until } = device;
  const polled = usePoll((signal) => load(device.id, Math.min(until ?? 0, serverNowMs()), signal), { key: `inlets:${device.id}`, intervalMs: REFRESH_MS, enabled: until !== null });
  if (until === null) {
    return null;
  }
  return (
    <section className="panel" aria-labelledby="device-inlets">
      <h2 id="device-inlets">{t("device.inlets")}</h2>
      <p className="list-note">{t("device.inlets_text")}</p>
      <View polled={polled} isEmpty={(r) => r.inlets.length === 0 && r.checks.length === 0} empty={<p className="is-faint">{t("device.inlets_none")}</p>}>
        {(reporting) => <Shown reporting={reporting} zone={zone} />}
      </View>
    </section>
  );
}
