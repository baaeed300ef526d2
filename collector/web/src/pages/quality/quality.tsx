// Data quality: is anything missing without a reason, what is missing with one, what could not be used, and how the collector is.

import "../../i18n/work";

import { useMemo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { listDevices } from "../../api/devices";
import { gapTotals, getRequeue, getStatus, listGaps, listSetAside, listUnexplained, type Gaps, type GapTotals, type Requeue, type SetAside, type Status, type Unexplained } from "../../api/ledger";
import type { Result } from "../../api/http";
import { lossRange } from "../../model/losses";
import { browserZone, zoneName } from "../../model/time";
import { formatValue } from "../../model/units";
import { Age } from "../../ui/age";
import { useNowMs } from "../../ui/now";
import { StateIcon } from "../../ui/state_badge";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";
import { ByDevice } from "./by_device";
import type { SiteOf } from "./device_link";
import { GapLedger } from "./gaps";
import { LossChart } from "./losses";
import { SetAsideList } from "./set_aside";
import { StoragePanel } from "./storage";
import { MissingTable, Statement } from "./unexplained";

const DAYS = 30;

interface All {
  gaps: Gaps;
  totals: GapTotals;
  unexplained: Unexplained;
  setAside: SetAside;
  requeue: Requeue;
  status: Status;
}

async function load(signal: AbortSignal): Promise<Result<All>> {
  const range = lossRange(Date.now(), new Date().setHours(0, 0, 0, 0), DAYS);
  const [gaps, totals, unexplained, setAside, requeue, status] = await Promise.all([
    listGaps({}, signal), gapTotals(range, signal), listUnexplained(signal), listSetAside(signal), getRequeue(signal), getStatus(signal),
  ]);
  for (const part of [gaps, totals, unexplained, setAside, requeue, status]) {
    if (!part.ok) {
      return part;
    }
  }
  return gaps.ok && totals.ok && unexplained.ok && setAside.ok && requeue.ok && status.ok
    ? { ok: true, value: { gaps: gaps.value, totals: totals.value, unexplained: unexplained.value, setAside: setAside.value, requeue: requeue.value, status: status.value } }
    : { ok: false, error: { kind: "shape", message: "" } };
}

function Figures({ gaps, status }: All): ReactElement {
  const { t, i18n } = useTranslation();
  const figure = (n: number): string => n.toLocaleString(i18n.language);
  return (
    <div className="figures is-even">
      <div className="figure">
        <span className="figure-name">{t("quality.recorded")}</span>
        <span className="figure-number">{figure(gaps.items.length)}{gaps.next === null ? "" : "+"}</span>
      </div>
      <div className="figure">
        <span className="figure-name">{t("quality.set_aside")}</span>
        <span className="figure-number">{figure(status.set_aside)}</span>
      </div>
      <div className="figure">
        <span className="figure-name">{t("quality.conflicts")}</span>
        <span className="figure-number">{figure(status.conflicts)}</span>
      </div>
    </div>
  );
}

function Link({ state }: { state: string }): ReactElement {
  const { t } = useTranslation();
  const isUp = state === "up";
  return <span className={isUp ? "is-good" : "is-bad"}><StateIcon state={isUp ? "up" : "down"} /> {t(isUp ? "quality.connected" : "quality.not_connected")}</span>;
}

function StoreNotice({ store }: { store: Status["store"] }): ReactElement {
  const { t } = useTranslation();
  const damaged = store.damaged;
  return (
    <>
      {!store.ok && <p className="notice is-down">{t("quality.store_not_ok", { why: store.why ?? "" })}</p>}
      {damaged !== null && (
        <p className="notice">
          {t(damaged.salvaging ? "quality.store_salvaging" : "quality.store_damaged", {
            file: damaged.file,
            percent: damaged.percent,
            batches: damaged.batches,
            unreadable: damaged.unreadable,
          })}
        </p>
      )}
    </>
  );
}

function Collector({ status }: { status: Status }): ReactElement {
  const { t, i18n } = useTranslation();
  const zone = browserZone();
  return (
    <section className="panel">
      <h2>{t("quality.collector")}</h2>
      <dl className="facts is-inline">
        <div><dt>{t("quality.broker_live")}</dt><dd><Link state={status.broker.live} /></dd></div>
        <div><dt>{t("quality.broker_past")}</dt><dd><Link state={status.broker.past} /></dd></div>
        <div><dt>{t("quality.last_commit")}</dt><dd><Age unixMs={status.last_commit_unix_ms} zone={zone} none="never" /></dd></div>
        <div><dt>{t("quality.batches")}</dt><dd>{status.batches.toLocaleString(i18n.language)}</dd></div>
        <div><dt>{t("quality.all_samples")}</dt><dd>{status.samples.toLocaleString(i18n.language)}</dd></div>
        <div><dt>{t("quality.store")}</dt><dd>{formatValue(status.store_bytes, "bytes")}</dd></div>
        <div><dt>{t("quality.disk_free")}</dt><dd>{formatValue(status.store.disk_free_bytes, "bytes")}</dd></div>
        <div><dt>{t("quality.version")}</dt><dd>{status.version}</dd></div>
        <div><dt>{t("quality.running_since")}</dt><dd><Age unixMs={status.started_unix_ms} zone={zone} /></dd></div>
      </dl>
      <StoreNotice store={status.store} />
      {status.broker.why !== null && <p className="notice is-down">{status.broker.why}</p>}
    </section>
  );
}

export default function Quality(): ReactElement {
  const { t } = useTranslation();
  const nowMs = useNowMs(60_000);
  const zone = browserZone();
  const polled = usePoll(load, { key: "quality", intervalMs: 15_000 });
  // Only for the way to a device's charts: where there is no answer (yet), its id stands as text.
  const devices = usePoll((signal) => listDevices({}, signal), { key: "quality-devices", intervalMs: 300_000 });
  const sites = useMemo(() => new Map((devices.value ?? []).map((d) => [d.id, d.site])), [devices.value]);
  const siteOf: SiteOf = (device) => sites.get(device);
  return (
    <>
      <h1>{t("quality.title")}</h1>
      <View polled={polled}>
        {(all) => (
          <>
            <Statement found={all.unexplained} />
            <MissingTable found={all.unexplained} siteOf={siteOf} />
            <Figures {...all} />
            <section>
              <h2>{t("quality.losses")}</h2>
              <p className="list-note">{t("quality.losses_text", { count: DAYS })} {t("quality.times_in", { zone: zoneName(nowMs, zone) })}</p>
              <LossChart totals={all.totals} zone={zone} />
            </section>
            <ByDevice totals={all.totals} siteOf={siteOf} />
            <section>
              <h2>{t("quality.ledger")}</h2>
              <p className="list-note">{t("quality.ledger_text")} {t("quality.times_in", { zone: zoneName(nowMs, zone) })}</p>
              <GapLedger gaps={all.gaps} />
            </section>
            <section>
              <h2>{t("quality.set_aside_title")}</h2>
              <p className="list-note">{t("quality.set_aside_text")}</p>
              <SetAsideList list={all.setAside} state={all.requeue} onTried={polled.refresh} />
            </section>
            <Collector status={all.status} />
            <StoragePanel />
          </>
        )}
      </View>
    </>
  );
}
