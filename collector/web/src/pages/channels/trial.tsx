// Trying a channel: a message goes out at once, and what becomes of it is shown as it happens, with the other side's own words.

import { SendOutlined } from "@ant-design/icons";
import { Button, Modal } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { testChannel, type Channel } from "../../api/channels";
import type { Result } from "../../api/http";
import { listMessages, type Message } from "../../api/messages";
import { isUnderWay } from "../../model/messages";
import { browserZone, formatTime } from "../../model/time";
import { useChange } from "../../ui/use_change";
import { usePoll } from "../../ui/use_poll";
import { StaleBanner } from "../../ui/view";
import { MessageState } from "../messages/list";

const LOOK_MS = 1_000;

async function lookAgain(old: Message, signal: AbortSignal): Promise<Result<Message>> {
  // It is the newest of those before the next number.
  const res = await listMessages({ channel: old.channel, before: String(old.id + 1) }, signal);
  return res.ok ? { ok: true, value: res.value.items.find((m) => m.id === old.id) ?? old } : res;
}

function Outcome({ message }: { message: Message }): ReactElement {
  const { t } = useTranslation();
  const zone = browserZone();
  if (!isUnderWay(message)) {
    return <p>{t(`channel.test_${message.state === "sent" ? "sent" : message.state === "refused" ? "refused" : "given_up"}`)}</p>;
  }
  return <p>{message.tries === 0 || message.due_unix_ms === null ? t("channel.test_waiting") : t("channel.test_again", { count: message.tries, time: formatTime(message.due_unix_ms, zone) })}</p>;
}

export function Progress({ first }: { first: Message }): ReactElement {
  const { t } = useTranslation();
  const [message, setMessage] = useState(first);
  const polled = usePoll(
    async (signal) => {
      const res = await lookAgain(message, signal);
      if (res.ok) {
        setMessage(res.value);
      }
      return res;
    },
    { key: String(first.id), intervalMs: isUnderWay(message) ? LOOK_MS : 0 },
  );
  return (
    <>
      <StaleBanner polled={polled} />
      <div role="status" className="trial">
        <p className="trial-state"><MessageState state={message.state} /> <span className="is-faint">{t("message.tries", { count: message.tries })}</span></p>
        <Outcome message={message} />
        {message.answer !== "" && (
          <>
            <h3>{t("channel.test_answer")}</h3>
            <pre className="message-text is-raw">{message.answer}</pre>
          </>
        )}
      </div>
      <details className="trial-words">
        <summary>{t("channel.test_words")}</summary>
        <p><strong>{message.subject}</strong></p>
        <pre className="message-text">{message.text}</pre>
      </details>
    </>
  );
}

export function TestButton({ channel, isSmall = false }: { channel: Channel; isSmall?: boolean }): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [message, setMessage] = useState<Message | null>(null);
  const close = (): void => setMessage(null);
  return (
    <>
      <Button size={isSmall ? "small" : "medium"} icon={<SendOutlined />} loading={isBusy} aria-label={t("channel.test_this", { name: channel.name })}
        onClick={() => void run(() => testChannel(channel.id), setMessage, t("channel.test_begun"))}>{t("channel.test")}</Button>
      {message !== null && (
        <Modal open title={t("channel.test_title", { name: channel.name })} onCancel={close} footer={<Button type="primary" onClick={close}>{t("work.done")}</Button>}>
          <Progress first={message} />
        </Modal>
      )}
    </>
  );
}
