// When a device was there, what was filled in after it was not, what is missing and why: as a band, and as a list of what was not simply
// online.

import { Button, Segmented } from "antd";
import { useRef, useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "wouter";

import { serverNowMs } from "../../api/http";
import { getLink, type LinkHistory, type LinkSpan } from "../../api/link";
import { LinkBand, LinkSwatch } from "../../chart/link_band";
import { useWidth } from "../../chart/use_width";
import { LINK_RANGES, outsideMs, readLinkRange, shareText, statesOf, stretches, type LinkRange } from "../../model/link";
import { tickLabels, timeTicks } from "../../model/ticks";
import { zoneName } from "../../model/time";
import { durationText, spanText } from "../../ui/age";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { fromToText, lengthText, moreText, spanWords, stateText } from "./words";

const REFRESH_MS: Record<LinkRange, number> = { "24h": 10_000, "7d": 30_000, "30d": 60_000 };
const FIRST = 12;

interface HistoryProps {
  history: LinkHistory;
  zone: string;
}

function Axis({ fromMs, toMs, zone, width }: { fromMs: number; toMs: number; zone: string; width: number }): ReactElement {
  const ticks = timeTicks(fromMs, toMs, zone, width);
  const labels = tickLabels(ticks, zone);
  return (
    <div className="lb-axis" aria-hidden="true">
      {ticks.map((tick, i) => {
        const pct = (100 * (tick - fromMs)) / Math.max(1, toMs - fromMs);
        return <span key={tick} className={pct < 3 ? "is-first" : pct > 97 ? "is-last" : undefined} style={{ left: `${pct}%` }}>{labels[i]}</span>;
      })}
    </div>
  );
}

function Bands({ history, zone }: HistoryProps): ReactElement {
  const { t } = useTranslation();
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame, 640);
  const [look, setLook] = useState<{ row: string; at: number | null }>({ row: "all", at: null });
  const [fromMs, toMs] = [history.from_unix_ms, history.to_unix_ms];
  const words = (span: LinkSpan): string => spanWords(span, fromMs, zone, t);
  const rows = [{ key: "all", name: t("device.all_data"), spans: history.combined },
    ...history.streams.map((s) => ({ key: s.stream, name: t(`quality.stream_${s.stream}`), spans: s.spans }))];
  const row = rows.find((r) => r.key === look.row);
  const span = look.at === null ? undefined : row?.spans[Math.min(look.at, row.spans.length - 1)];
  return (
    <div className="lb" ref={frame}>
      {rows.map((r) => (
        <div key={r.key} className="lb-row">
          <span className="lb-name">{r.name}</span>
          <LinkBand spans={r.spans} fromMs={fromMs} toMs={toMs} isLarge={r.key === "all"} wordsOf={words} label={t("device.band_label", { name: r.name })}
            at={look.row === r.key ? look.at : null} onAt={(at) => setLook({ row: r.key, at })} />
        </div>
      ))}
      <div className="lb-row"><span className="lb-name" /><Axis fromMs={fromMs} toMs={toMs} zone={zone} width={width < 560 ? width : width - 104} /></div>
      <p className="lb-at" aria-hidden="true">
        {span === undefined ? <span className="is-faint">{t("device.point")}</span>
          : <><LinkSwatch state={span.state} isOutside={span.reason === "not_in_service"} /> {row !== undefined && look.row !== "all" && <b>{row.name}: </b>}{words(span)}</>}
      </p>
    </div>
  );
}

function Legend({ history }: { history: LinkHistory }): ReactElement {
  const { t } = useTranslation();
  const whole = history.to_unix_ms - history.from_unix_ms;
  const outside = outsideMs(history.combined);
  const totals = { ...history.total_ms, unknown: Math.max(0, history.total_ms.unknown - outside) };
  return (
    <dl className="lb-legend">
      {statesOf(totals).map(({ state, ms }) => (
        <div key={state}>
          <dt><LinkSwatch state={state} /> {t(`device.state_${state}`)}</dt>
          <dd><b className="is-tabular">{shareText(ms, whole)}</b> <span className="is-faint">{durationText(ms, t)}</span></dd>
        </div>
      ))}
      {outside > 0 && (
        <div>
          <dt><LinkSwatch state="unknown" isOutside /> {t("device.state_not_in_service")}</dt>
          <dd><span className="is-faint">{durationText(outside, t)}</span></dd>
        </div>
      )}
    </dl>
  );
}

function Stretches({ history, zone }: HistoryProps): ReactElement {
  const { t } = useTranslation();
  const [isAll, setAll] = useState(false);
  const all = stretches(history.combined);
  if (all.length === 0) {
    return <p className="lb-none">{t("device.no_stretches")}</p>;
  }
  return (
    <>
      <ol className="lb-list">
        {(isAll ? all : all.slice(0, FIRST)).map((s) => (
          <li key={s.from_unix_ms}>
            <LinkSwatch state={s.state} />
            <span className="lb-what">{stateText(s, t)}</span>
            <span className="is-tabular">{fromToText(s.from_unix_ms, s.to_unix_ms, zone)}</span>
            <span className="is-faint">{lengthText(s, history.from_unix_ms, t)}</span>
            <span className="lb-more">{moreText(s, zone, t)}</span>
          </li>
        ))}
      </ol>
      {all.length > FIRST && !isAll && <Button onClick={() => setAll(true)}>{t("device.show_all", { count: all.length })}</Button>}
    </>
  );
}

function Shown({ history, zone }: HistoryProps): ReactElement {
  const { t } = useTranslation();
  return (
    <>
      <Bands history={history} zone={zone} />
      <Legend history={history} />
      {history.resolution_ms > 0 && <p className="list-note">{t("device.coarse", { span: spanText(history.resolution_ms, t) })}</p>}
      <h3>{t("device.stretches")}</h3>
      <Stretches history={history} zone={zone} />
    </>
  );
}

const knowsNothing = (h: LinkHistory): boolean => h.combined.every((s) => s.state === "unknown" && s.reason !== "offline");

export function History({ device, zone }: { device: string; zone: string }): ReactElement {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const range = readLinkRange(params);
  const load = (signal: AbortSignal): ReturnType<typeof getLink> => {
    const toMs = serverNowMs();
    return getLink(device, { fromMs: toMs - LINK_RANGES[range], toMs }, signal);
  };
  const polled = usePoll(load, { key: `link:${device}:${range}`, intervalMs: REFRESH_MS[range] });
  return (
    <section className="panel" aria-labelledby="device-history">
      <div className="title-row">
        <h2 id="device-history">{t("device.history")}</h2>
        <Segmented aria-label={t("site.range")} value={range} onChange={(next) => setParams({ range: next }, { replace: true })}
          options={(Object.keys(LINK_RANGES) as LinkRange[]).map((value) => ({ value, label: t(`device.range_${value}`) }))} />
      </div>
      <p className="list-note">{t("device.history_text")} {t("site.times_in", { zone: zoneName(serverNowMs(), zone) })}</p>
      <View polled={polled} isEmpty={knowsNothing} empty={<Empty title={t("device.history_none")} />}>
        {(history) => <Shown history={history} zone={zone} />}
      </View>
    </section>
  );
}
