// Data quality: is anything missing without a reason, what is missing with one, what could not be used, and how the collector is.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { getStatus, listGaps, listSetAside, type Gaps, type SetAside, type Status } from "../../api/ledger";
import type { Result } from "../../api/http";
import { browserZone, zoneName } from "../../model/time";
import { formatValue } from "../../model/units";
import { Age } from "../../ui/age";
import { useNowMs } from "../../ui/now";
import { StateIcon } from "../../ui/state_badge";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";
import { GapLedger } from "./gaps";
import { SetAsideList } from "./set_aside";

interface All {
  gaps: Gaps;
  setAside: SetAside;
  status: Status;
}

async function load(signal: AbortSignal): Promise<Result<All>> {
  const [gaps, setAside, status] = await Promise.all([listGaps({}, signal), listSetAside(signal), getStatus(signal)]);
  if (!gaps.ok) {
    return gaps;
  }
  if (!setAside.ok) {
    return setAside;
  }
  return status.ok ? { ok: true, value: { gaps: gaps.value, setAside: setAside.value, status: status.value } } : status;
}

function Figures({ gaps, status }: All): ReactElement {
  const { t, i18n } = useTranslation();
  const isWell = gaps.unexplained === 0;
  const figure = (n: number): string => n.toLocaleString(i18n.language);
  return (
    <div className="figures">
      <div className={`figure is-lead ${isWell ? "is-up" : "is-down"}`}>
        <span className="figure-name"><StateIcon state={isWell ? "up" : "down"} /> {t("quality.unexplained")}</span>
        <span className="figure-number">{figure(gaps.unexplained)}</span>
        <span className="figure-text">{t(isWell ? "quality.unexplained_none" : "quality.unexplained_some")}</span>
      </div>
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
  return (
    <>
      <h1>{t("quality.title")}</h1>
      <View polled={polled}>
        {(all) => (
          <>
            <Figures {...all} />
            <Collector status={all.status} />
            <section>
              <h2>{t("quality.ledger")}</h2>
              <p className="list-note">{t("quality.ledger_text")} {t("quality.times_in", { zone: zoneName(nowMs, zone) })}</p>
              <GapLedger gaps={all.gaps} />
            </section>
            <section>
              <h2>{t("quality.set_aside_title")}</h2>
              <p className="list-note">{t("quality.set_aside_text")}</p>
              <SetAsideList list={all.setAside} />
            </section>
          </>
        )}
      </View>
    </>
  );
}
