// All messages: filters in the URL, the newest first, refreshed by itself.

import { Button, InputNumber, Select } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "wouter";

import { listChannels } from "../../api/channels";
import { serverNowMs } from "../../api/http";
import { listMessages, MESSAGE_STATES, type MessageState } from "../../api/messages";
import { readMessages, writeMessages, type ShownMessages } from "../../model/messages";
import { browserZone, formatTime, zoneName } from "../../model/time";
import { Paging } from "../../ui/paging";
import { useSession } from "../../ui/session";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { useSites } from "../definitions/fields";
import { MessageList } from "./list";

const REFRESH_MS = 5_000;
const NAMES_MS = 120_000;

interface FilterProps {
  shown: ShownMessages;
  onShow: (shown: ShownMessages) => void;
}

function Filters({ shown, onShow }: FilterProps): ReactElement {
  const { t } = useTranslation();
  const { isOperator } = useSession();
  // Viewers may not see the channels.
  const channels = usePoll(listChannels, { key: "channels", intervalMs: NAMES_MS, enabled: isOperator });
  const change = (part: Partial<ShownMessages>): void => onShow({ ...shown, ...part, before: null });
  const isActive = shown.state !== null || shown.channel !== null || shown.incident !== null;
  return (
    <div className="filters" role="search">
      <Select className="filter-select is-short" allowClear aria-label={t("work.state")} placeholder={t("work.all_states")} value={shown.state}
        options={MESSAGE_STATES.map((value) => ({ value, label: t(`message.state_${value}`) }))} onChange={(v: MessageState | undefined) => change({ state: v ?? null })} />
      {isOperator && (
        <Select className="filter-select" allowClear showSearch={{ optionFilterProp: "label" }} aria-label={t("message.channel")} placeholder={t("message.all_channels")} value={shown.channel}
          options={(channels.value ?? []).map((c) => ({ value: c.id, label: c.name }))} onChange={(v: string | undefined) => change({ channel: v ?? null })} />
      )}
      <InputNumber className="filter-select is-short" min={1} max={999_999_999} precision={0} controls={false} aria-label={t("message.incident_no")} placeholder={t("message.incident_no")}
        value={shown.incident} onChange={(v) => change({ incident: v })} />
      {isActive && <Button type="link" onClick={() => onShow(readMessages(new URLSearchParams()))}>{t("work.clear")}</Button>}
    </div>
  );
}

export default function Messages(): ReactElement {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const shown = readMessages(params);
  const onShow = (next: ShownMessages): void => setParams(writeMessages(next), { replace: true });
  const polled = usePoll((signal) => listMessages({ ...shown }, signal), { key: JSON.stringify(shown), intervalMs: REFRESH_MS });
  const sites = new Map(useSites().map((s) => [s.id, s.name]));
  const isPlain = shown.state === null && shown.channel === null && shown.incident === null;
  return (
    <>
      <h1>{t("nav.messages")}</h1>
      <Filters shown={shown} onShow={onShow} />
      <View polled={polled}>
        {(page) => (
          <>
            <p className="list-note">
              {t("message.shown", { count: page.items.length })} · {t("work.times_in", { zone: zoneName(serverNowMs(), browserZone()) })}
              {polled.poll.atMs !== undefined && <>{" · "}{t("view.refreshed", { time: formatTime(polled.poll.atMs, browserZone()) })}</>}
            </p>
            {page.items.length === 0
              ? <Empty title={isPlain ? t("message.none") : t("work.none_match")}>{isPlain && <p>{t("message.none_text")}</p>}</Empty>
              : <div className="panel"><MessageList messages={page.items} zone={browserZone()} withIncident sites={sites} /></div>}
            <Paging next={page.next} before={shown.before} onPage={(before) => onShow({ ...shown, before })} />
          </>
        )}
      </View>
    </>
  );
}
