// All channels: where messages go, what became of the latest, a switch, and a way to try each.

import "./channels.css";

import { PlusOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { changeChannel, listChannels, type Channel } from "../../api/channels";
import { listMessages, type Message } from "../../api/messages";
import { LANGUAGE_NAMES } from "../../i18n";
import { browserZone } from "../../model/time";
import { Age } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { useSession } from "../../ui/session";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { OnOff } from "../definitions/head";
import { MessageState } from "../messages/list";
import { ChannelForm } from "./channel_form";
import { SecretDialog, type Made } from "./secret";
import { TestButton } from "./trial";
import { channelSentence } from "./words";

const REFRESH_MS = 15_000;

function Latest({ channel, messages }: { channel: Channel; messages: readonly Message[] | undefined }): ReactElement {
  const { t } = useTranslation();
  if (messages === undefined) {
    return <span className="is-faint">{t("work.unknown")}</span>;
  }
  const latest = messages.find((m) => m.channel === channel.id);
  return latest === undefined ? <span className="is-faint">{t("channel.no_latest")}</span> : (
    <span className="channel-latest">
      <Link href={`/messages?channel=${encodeURIComponent(channel.id)}`}><MessageState state={latest.state} /></Link>
      <span className="is-faint"><Age unixMs={latest.created_unix_ms} zone={browserZone()} /></span>
    </span>
  );
}

function List({ channels, onChanged }: { channels: Channel[]; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const messages = usePoll((signal) => listMessages({}, signal), { key: "latest", intervalMs: REFRESH_MS });
  const columns: Column<Channel>[] = [
    {
      key: "name", title: t("channel.channel"), sorter: (a, b) => a.name.localeCompare(b.name),
      render: (c) => <div className="site-name"><Link href={`/channels/${encodeURIComponent(c.id)}`}>{c.name}</Link><div className="says">{channelSentence(c, t)}</div></div>,
    },
    { key: "language", title: t("channel.language"), width: 130, render: (c) => LANGUAGE_NAMES[c.language] },
    { key: "latest", title: t("channel.latest"), width: 220, render: (c) => <Latest channel={c} messages={messages.value?.items} /> },
    { key: "on", title: t("work.state"), width: 120, render: (c) => <OnOff item={c} change={changeChannel} onChanged={onChanged} /> },
    ...(isAdministrator ? [{ key: "test", title: t("channel.try"), width: 130, render: (c: Channel) => <TestButton channel={c} isSmall /> }] : []),
  ];
  return <DataTable keyOf={(c) => c.id} columns={columns} rows={channels} minWidth={900} />;
}

export default function Channels(): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const [isAdding, setAdding] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const polled = usePoll(listChannels, { key: "channels", intervalMs: 30_000 });
  const saved = (channel: Channel, secret: string | null): void => {
    setAdding(false);
    setMade(secret === null ? null : { name: channel.name, secret });
    polled.refresh();
  };
  return (
    <>
      <div className="title-row">
        <h1>{t("nav.channels")}</h1>
        {isAdministrator && <Button type="primary" icon={<PlusOutlined />} onClick={() => setAdding(true)}>{t("channel.add")}</Button>}
      </div>
      <View polled={polled} isEmpty={(c) => c.length === 0} empty={<Empty title={t("channel.empty")}><p>{t("channel.empty_text")}</p></Empty>}>
        {(channels) => <List channels={channels} onChanged={polled.refresh} />}
      </View>
      {isAdding && <ChannelForm channel={null} onClose={() => setAdding(false)} onSaved={saved} />}
      {made !== null && <SecretDialog made={made} onClose={() => setMade(null)} />}
    </>
  );
}
