// Messages, each with what became of it; the words that were sent open below.  Subject, text and the other side's answer are text.

import "./messages.css";

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Message } from "../../api/messages";
import { formatDateTime } from "../../model/time";
import { Age } from "../../ui/age";
import { useSession } from "../../ui/session";
import "../../i18n/work";

const SHAPE: Record<Message["state"], ReactElement> = {
  waiting: <g fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round"><circle cx="8" cy="8" r="5.6" /><path d="M8 5v3.2l2.2 1.4" /></g>,
  sent: <path d="M3.5 8.5l3 3 6-7" fill="none" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" strokeLinejoin="round" />,
  refused: <path d="M4 4l8 8M12 4l-8 8" fill="none" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" />,
  given_up: <path d="M4 8h8" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" />,
};

export function MessageState({ state }: { state: Message["state"] }): ReactElement {
  const { t } = useTranslation();
  return (
    <span className={`message-state is-${state}`}>
      <svg className="state-icon" width="14" height="14" viewBox="0 0 16 16" aria-hidden="true">{SHAPE[state]}</svg>
      {t(`message.state_${state}`)}
    </span>
  );
}

function When({ message, zone }: { message: Message; zone: string }): ReactElement {
  const { t } = useTranslation();
  if (message.sent_unix_ms !== null) {
    return <span>{t("message.sent_at")} <Age unixMs={message.sent_unix_ms} zone={zone} /></span>;
  }
  if (message.state === "waiting" && message.due_unix_ms !== null) {
    return <span>{t(message.tries > 0 ? "message.next_try" : "message.due", { time: formatDateTime(message.due_unix_ms, zone) })}</span>;
  }
  return <span>{t("message.created")} <Age unixMs={message.created_unix_ms} zone={zone} /></span>;
}

/** What is read once somebody asks how a message fared. */
function Facts({ message, zone }: { message: Message; zone: string }): ReactElement {
  const { t } = useTranslation();
  const at = (ms: number | null): string => (ms === null ? "–" : formatDateTime(ms, zone));
  return (
    <dl className="facts is-inline">
      <div><dt>{t("message.fact_written")}</dt><dd className="is-tabular">{at(message.created_unix_ms)}</dd></div>
      {message.state === "waiting" && <div><dt>{t("message.fact_due")}</dt><dd className="is-tabular">{at(message.due_unix_ms)}</dd></div>}
      <div><dt>{t("message.fact_sent")}</dt><dd className="is-tabular">{at(message.sent_unix_ms)}</dd></div>
      <div><dt>{t("message.fact_tries")}</dt><dd>{message.tries}</dd></div>
      <div><dt>{t("message.fact_key")}</dt><dd><code>{message.key}</code></dd></div>
    </dl>
  );
}

interface Props {
  zone: string;
  withIncident: boolean;
  /** False where all are of one channel. */
  withChannel?: boolean;
  /** Names of sites; without it they are not shown. */
  sites?: ReadonlyMap<string, string>;
}

function Row({ message, zone, withIncident, withChannel = true, sites }: Props & { message: Message }): ReactElement {
  const { t } = useTranslation();
  const { isOperator } = useSession();
  const channel = message.channel_name || message.channel;
  return (
    <li className="message">
      <div className="message-top">
        <MessageState state={message.state} />
        <span className="tag">{t(`message.kind_${message.kind}`)}</span>
        {withChannel && (isOperator ? <Link className="message-channel" href={`/channels/${encodeURIComponent(message.channel)}`}>{channel}</Link> : <span className="message-channel">{channel}</span>)}
        <span className="is-faint"><When message={message} zone={zone} /></span>
        {(message.tries > 1 || message.state !== "sent") && <span className="is-faint">{t("message.tries", { count: message.tries })}</span>}
        {sites !== undefined && message.site !== null && <Link href={`/sites/${encodeURIComponent(message.site)}`}>{sites.get(message.site) ?? message.site}</Link>}
        {withIncident && message.incident !== null && <Link href={`/incidents/${message.incident}`}>{t("message.to_incident", { id: message.incident })}</Link>}
      </div>
      <details>
        <summary>{message.subject === "" ? t("message.no_subject") : message.subject}</summary>
        <pre className="message-text">{message.text === "" ? t("message.no_text") : message.text}</pre>
        <Facts message={message} zone={zone} />
      </details>
      {message.answer !== "" && <p className="message-answer"><span className="is-faint">{t("message.answer")}</span> <code className="is-broken">{message.answer}</code></p>}
    </li>
  );
}

export function MessageList({ messages, ...rest }: Props & { messages: readonly Message[] }): ReactElement {
  return <ul className="messages">{messages.map((m) => <Row key={m.id} message={m} {...rest} />)}</ul>;
}
