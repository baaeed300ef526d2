// One channel: where it goes, trying it, the rules that use it, what was sent there, and its versions.

import "./channels.css";

import { EditOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { changeChannel, channelVersions, getChannel, type Channel } from "../../api/channels";
import { listMessages } from "../../api/messages";
import { listRules } from "../../api/rules";
import { LANGUAGE_NAMES } from "../../i18n";
import { browserZone } from "../../model/time";
import { useSession } from "../../ui/session";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { OnOff, Versions } from "../definitions/head";
import { MessageList } from "../messages/list";
import { ChannelForm } from "./channel_form";
import { SecretDialog, type Made } from "./secret";
import { TestButton } from "./trial";
import { channelSentence, versionSentence } from "./words";

const LATEST = 5;

function Header({ channel, onEdit, onChanged }: { channel: Channel; onEdit: () => void; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  return (
    <>
      <p className="crumbs"><Link href="/channels">{t("nav.channels")}</Link> <span aria-hidden="true">/</span> {channel.id}</p>
      <div className="title-row is-top">
        <div className="site-title">
          <h1>{channel.name}</h1>
          <OnOff item={channel} change={changeChannel} onChanged={onChanged} />
        </div>
        {isAdministrator && (
          <span className="actions">
            <TestButton channel={channel} />
            <Button icon={<EditOutlined />} onClick={onEdit}>{t("work.edit")}</Button>
          </span>
        )}
      </div>
      <p className="says is-lead">{channelSentence(channel, t)}</p>
      <dl className="facts is-inline">
        <div><dt>{t("channel.kind")}</dt><dd>{t(`channel.kind_${channel.kind}`)}</dd></div>
        <div><dt>{t("channel.language")}</dt><dd>{LANGUAGE_NAMES[channel.language]}</dd></div>
        {channel.kind === "webhook" && <div><dt>{t("channel.secret")}</dt><dd>{t(channel.has_secret ? "channel.has_secret" : "channel.no_secret")}</dd></div>}
        <div><dt>{t("work.version")}</dt><dd>{channel.version}</dd></div>
      </dl>
      {!channel.enabled && <p className="notice is-late">{t("channel.off_text")}</p>}
    </>
  );
}

function UsedBy({ channel }: { channel: Channel }): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll(listRules, { key: "rules", intervalMs: 60_000 });
  return (
    <section className="panel">
      <h2>{t("channel.used_by")}</h2>
      <View polled={polled} isEmpty={(rules) => !rules.some((r) => r.channels.includes(channel.id))} empty={<p className="is-faint">{t("channel.unused")}</p>}>
        {(rules) => (
          <ul className="plain-list">
            {rules.filter((r) => r.channels.includes(channel.id)).map((r) => (
              <li key={r.id}><Link href={`/rules/${encodeURIComponent(r.id)}`}>{r.name}</Link>{!r.enabled && <span className="tag">{t("work.disabled")}</span>}</li>
            ))}
          </ul>
        )}
      </View>
    </section>
  );
}

function LatestMessages({ channel }: { channel: Channel }): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll((signal) => listMessages({ channel: channel.id }, signal), { key: channel.id, intervalMs: 5_000 });
  return (
    <section className="panel">
      <h2>{t("channel.latest_messages")}</h2>
      <View polled={polled} isEmpty={(page) => page.items.length === 0} empty={<Empty title={t("channel.no_messages")} />}>
        {(page) => (
          <>
            <MessageList messages={page.items.slice(0, LATEST)} zone={browserZone()} withIncident withChannel={false} />
            <p><Link href={`/messages?channel=${encodeURIComponent(channel.id)}`}>{t("channel.all_messages")}</Link></p>
          </>
        )}
      </View>
    </section>
  );
}

function History({ channel }: { channel: Channel }): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll((signal) => channelVersions(channel.id, signal), { key: `${channel.id}|${channel.version}`, intervalMs: 0 });
  return (
    <section className="panel">
      <h2>{t("work.versions")}</h2>
      <View polled={polled}>{(versions) => <Versions versions={versions} say={(v) => versionSentence(v, t)} />}</View>
    </section>
  );
}

export default function ChannelPage({ id }: { id: string }): ReactElement {
  const [isEditing, setEditing] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const polled = usePoll((signal) => getChannel(id, signal), { key: id, intervalMs: 60_000 });
  const saved = (channel: Channel, secret: string | null): void => {
    setEditing(false);
    setMade(secret === null ? null : { name: channel.name, secret });
    polled.refresh();
  };
  return (
    <>
      <View polled={polled}>
        {(channel) => (
          <>
            <Header channel={channel} onEdit={() => setEditing(true)} onChanged={polled.refresh} />
            <LatestMessages channel={channel} />
            <div className="columns">
              <UsedBy channel={channel} />
              <History channel={channel} />
            </div>
            {isEditing && <ChannelForm channel={channel} onClose={() => setEditing(false)} onSaved={saved} />}
          </>
        )}
      </View>
      {made !== null && <SecretDialog made={made} onClose={() => setMade(null)} />}
    </>
  );
}
