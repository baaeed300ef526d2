// What belongs to oneself: language, password, sessions.

import { Button, Form, Input } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { changePassword, ownSessions, revokeSession, type OwnSession } from "../../api/session";
import { browserZone } from "../../model/time";
import { Age } from "../../ui/age";
import { LanguageSwitch } from "../../ui/language_switch";
import { useSession } from "../../ui/session";
import { useChange } from "../../ui/use_change";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";

const SHORTEST_PASSWORD = 10;

function Profile(): ReactElement {
  const { t } = useTranslation();
  const { me, chooseLanguage } = useSession();
  return (
    <section className="panel">
      <h2>{t("account.profile")}</h2>
      <dl className="facts">
        <div><dt>{t("account.name")}</dt><dd>{me.name}</dd></div>
        <div><dt>{t("account.display_name")}</dt><dd>{me.display_name}</dd></div>
        <div><dt>{t("account.role")}</dt><dd>{t(`role.${me.role}`)}</dd></div>
        <div><dt>{t("app.language")}</dt><dd><LanguageSwitch onSwitch={chooseLanguage} /></dd></div>
      </dl>
    </section>
  );
}

interface PasswordFields {
  old: string;
  fresh: string;
  again: string;
}

function Password({ onChanged }: { onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const { me } = useSession();
  const [form] = Form.useForm<PasswordFields>();
  const save = (f: PasswordFields): void => {
    void run(() => changePassword(f.old, f.fresh), () => { form.resetFields(); onChanged(); }, t("account.changed"));
  };
  return (
    <section className="panel">
      <h2>{t("account.password")}</h2>
      <Form form={form} layout="vertical" className="narrow-form" onFinish={save} requiredMark={false}>
        <input type="text" name="username" autoComplete="username" value={me.name} readOnly hidden />
        <Form.Item name="old" label={t("account.old")} rules={[{ required: true, message: t("fleet.required") }]}>
          <Input.Password autoComplete="current-password" />
        </Form.Item>
        <Form.Item name="fresh" label={t("account.fresh")} rules={[{ required: true, min: SHORTEST_PASSWORD, message: t("account.too_short") }]}>
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Form.Item
          name="again"
          label={t("account.again")}
          dependencies={["fresh"]}
          rules={[
            ({ getFieldValue }) => ({
              validator: (_, value) => (value === getFieldValue("fresh") ? Promise.resolve() : Promise.reject(new Error(t("account.differ")))),
            }),
          ]}
        >
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Button type="primary" htmlType="submit" loading={isBusy}>{t("account.change")}</Button>
      </Form>
    </section>
  );
}

function SessionRow({ session, onEnded }: { session: OwnSession; onEnded: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const zone = browserZone();
  return (
    <li className="session">
      <div className="session-what">
        <strong className="is-broken">{session.user_agent ?? t("account.no_agent")}</strong>
        <span className="is-faint">
          {t("account.address")} {session.address ?? t("time.unknown")} · {t("account.begun")} <Age unixMs={session.created_unix_ms} zone={zone} /> · {t("account.seen")}{" "}
          <Age unixMs={session.last_seen_unix_ms} zone={zone} />
        </span>
      </div>
      {session.current ? (
        <span className="tag">{t("account.this_session")}</span>
      ) : (
        <Button size="small" danger loading={isBusy} onClick={() => void run(() => revokeSession(session.id), onEnded, t("account.ended"))}>{t("account.end")}</Button>
      )}
    </li>
  );
}

export default function Account(): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll(ownSessions, { key: "sessions", intervalMs: 30_000 });
  return (
    <>
      <h1>{t("account.title")}</h1>
      <div className="columns">
        <Profile />
        <Password onChanged={polled.refresh} />
      </div>
      <section className="panel">
        <h2>{t("account.sessions")}</h2>
        <p className="list-note">{t("account.sessions_text")}</p>
        <View polled={polled}>
          {(sessions) => <ul className="sessions">{sessions.map((s) => <SessionRow key={s.id} session={s} onEnded={polled.refresh} />)}</ul>}
        </View>
      </section>
    </>
  );
}
