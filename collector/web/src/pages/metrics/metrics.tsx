// One metric over many devices: the question, its answer over time, its newest values.  All of it stands in the URL.

import "../../i18n/work";
import "./metrics.css";

import { Tabs } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "wouter";

import { listMetrics, type Metric } from "../../api/metrics";
import { chooseMetric, readQuestion, writeQuestion } from "../../model/explore";
import { browserZone } from "../../model/time";
import { readRange, writeRange, type TimeRange } from "../../model/url_state";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { RangePicker } from "../site/range_picker";
import { Ask } from "./ask";
import { LatestValues } from "./latest_values";
import { LIVE_MS, OverTime } from "./over_time";

const VIEWS = ["time", "latest"] as const;

function Explorer({ metrics }: { metrics: Metric[] }): ReactElement {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const zone = browserZone();
  const question = readQuestion(params, metrics);
  const range = readRange(params);
  const view = VIEWS.find((v) => v === params.get("view")) ?? "time";
  const onRange = (next: TimeRange): void => setParams((old) => writeRange(next, old));
  const show = (next: string): void => setParams((old) => {
    const out = new URLSearchParams(old);
    out.set("view", next);
    return out;
  });
  return (
    <>
      <Ask metrics={metrics} question={question} onMetric={(name) => setParams((old) => chooseMetric(name, old))}
        onChange={(change) => setParams((old) => writeQuestion(change, old))} />
      {question === null ? <Empty title={t("metrics.choose_first")}><p>{t("metrics.choose_first_text", { count: metrics.length })}</p></Empty> : (
        <>
          <Tabs activeKey={view} onChange={show} items={VIEWS.map((key) => ({ key, label: t(`metrics.view_${key}`) }))} />
          {view === "latest" ? <LatestValues question={question} zone={zone} /> : (
            <>
              <div className="range-bar">
                <RangePicker range={range} zone={zone} onRange={onRange} liveMs={LIVE_MS} />
                <p className="list-note">{t("work.times_in", { zone })} · {t("site.drag_hint")}</p>
              </div>
              <OverTime question={question} range={range} zone={zone} onZoom={(fromMs, toMs) => onRange({ fromMs, toMs: Math.max(toMs, fromMs + 60_000) })} />
            </>
          )}
        </>
      )}
    </>
  );
}

export default function Metrics(): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll(listMetrics, { key: "metrics", intervalMs: 300_000 });
  return (
    <>
      <h1>{t("nav.metrics")}</h1>
      <p className="list-note">{t("metrics.intro")}</p>
      <View polled={polled} isEmpty={(m) => m.length === 0} empty={<Empty title={t("metrics.none")}><p>{t("metrics.none_text")}</p></Empty>}>
        {(metrics) => <Explorer metrics={metrics} />}
      </View>
    </>
  );
}
