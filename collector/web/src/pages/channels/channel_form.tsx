// A new channel, or a new version of one.  The kind stays: a channel of another kind has other receivers, and is another one.

import { Button, Drawer, Form, Input, Radio } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { changeChannel, CHANNEL_KINDS, createChannel, type Channel } from "../../api/channels";
import { LANGUAGES } from "../../api/session";
import { LANGUAGE_NAMES } from "../../i18n";
import { addressesOf, channelDraft, secretOf, type ChannelFields } from "../../model/drafts";
import { useChange } from "../../ui/use_change";
import { NameFields } from "../definitions/fields";

interface Props {
  /** null: a new one. */
  channel: Channel | null;
  onClose: () => void;
  /** With the secret that was made, if one was. */
  onSaved: (channel: Channel, secret: string | null) => void;
}

const ADDRESS = /^[^\s@<>"]+@[^\s@<>"]+$/;
const MOST_ADDRESSES = 32;
// Where http is enough: the collector's own machine.
const URL_RULE = /^(https:\/\/[^\s#]+|http:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])([:/?][^\s#]*)?)$/;
const SECRET_RULE = /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/;
const SECRET_BYTES = 32;
const EXAMPLE_TO = "ops@example.com\nduty@example.com";
const EXAMPLE_URL = "https://hooks.example.com/branchline";

function EmailFields(): ReactElement {
  const { t } = useTranslation();
  const check = (_: unknown, text: string | undefined): Promise<void> => {
    const list = addressesOf(text ?? "");
    const wrong = list.find((a) => !ADDRESS.test(a));
    if (list.length === 0) {
      return Promise.reject(new Error(t("fleet.required")));
    }
    if (wrong !== undefined) {
      return Promise.reject(new Error(t("channel.to_wrong", { address: wrong })));
    }
    return list.length > MOST_ADDRESSES ? Promise.reject(new Error(t("channel.to_many", { count: MOST_ADDRESSES }))) : Promise.resolve();
  };
  return (
    <Form.Item name="to" label={t("channel.to")} extra={t("channel.to_hint")} rules={[{ validator: check }]}>
      <Input.TextArea autoSize={{ minRows: 2, maxRows: 10 }} spellCheck={false} autoCapitalize="none" placeholder={EXAMPLE_TO} />
    </Form.Item>
  );
}

function WebhookFields({ isNew }: { isNew: boolean }): ReactElement {
  const { t } = useTranslation();
  const from = Form.useWatch<ChannelFields["secret_from"] | undefined>("secret_from");
  const choices: ChannelFields["secret_from"][] = isNew ? ["made", "given"] : ["kept", "made", "given"];
  return (
    <>
      <Form.Item name="url" label={t("channel.url")} extra={t("channel.url_hint")} rules={[{ required: true, message: t("fleet.required") }, { pattern: URL_RULE, message: t("channel.url_hint") }]}>
        <Input maxLength={512} inputMode="url" spellCheck={false} autoCapitalize="none" placeholder={EXAMPLE_URL} />
      </Form.Item>
      <Form.Item name="secret_from" label={t("channel.secret")}>
        <Radio.Group className="sources">{choices.map((c) => <Radio key={c} value={c}>{t(`channel.secret_${c}`)}</Radio>)}</Radio.Group>
      </Form.Item>
      {from === "given" && (
        <Form.Item name="secret" label={t("channel.secret_own")} extra={t("channel.secret_hint")} rules={[{ required: true, pattern: SECRET_RULE, message: t("channel.secret_hint") }]}>
          <Input.Password maxLength={128} autoComplete="new-password" />
        </Form.Item>
      )}
    </>
  );
}

const NEW: ChannelFields = { name: "", kind: "email", language: "zh-CN", secret_from: "made" };

function initial(channel: Channel): ChannelFields {
  return { name: channel.name, kind: channel.kind, language: channel.language, to: channel.to.join("\n"), url: channel.url, secret_from: channel.has_secret ? "kept" : "made" };
}

export function ChannelForm({ channel, onClose, onSaved }: Props): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [form] = Form.useForm<ChannelFields>();
  const kind = Form.useWatch<ChannelFields["kind"] | undefined>("kind", form) ?? channel?.kind ?? "email";
  const save = (fields: ChannelFields): void => {
    if (channel === null) {
      const draft = channelDraft(fields, null);
      void run(() => createChannel(draft), (made) => onSaved(made, made.secret));
      return;
    }
    const made = secretOf(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
    const draft = channelDraft({ ...fields, kind: channel.kind, made }, channel);
    void run(() => changeChannel(channel, draft), (changed) => onSaved(changed, draft["secret"] === made ? made : null));
  };
  return (
    <Drawer open size={520} onClose={onClose} title={channel === null ? t("channel.add") : t("channel.edit", { name: channel.name })}
      footer={
        <div className="drawer-footer">
          <Button onClick={onClose}>{t("fleet.cancel")}</Button>
          <Button type="primary" loading={isBusy} onClick={() => form.submit()}>{t("fleet.save")}</Button>
        </div>
      }>
      <Form form={form} layout="vertical" initialValues={channel === null ? NEW : initial(channel)} onFinish={save} requiredMark={false} scrollToFirstError>
        <NameFields isNew={channel === null} />
        {channel === null && (
          <Form.Item name="kind" label={t("channel.kind")}>
            <Radio.Group className="sources">{CHANNEL_KINDS.map((k) => <Radio key={k} value={k}>{t(`channel.choose_${k}`)}</Radio>)}</Radio.Group>
          </Form.Item>
        )}
        {kind === "email" ? <EmailFields /> : <WebhookFields isNew={channel === null} />}
        <Form.Item name="language" label={t("channel.language")}>
          <Radio.Group>{LANGUAGES.map((l) => <Radio key={l} value={l}>{LANGUAGE_NAMES[l]}</Radio>)}</Radio.Group>
        </Form.Item>
      </Form>
    </Drawer>
  );
}
