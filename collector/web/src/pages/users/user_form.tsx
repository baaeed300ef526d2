// Adding or editing a user.

import { Form, Input, Modal, Select } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { LANGUAGES, ROLES, type Language } from "../../api/session";
import { createUser, updateUser, type User } from "../../api/users";
import { LANGUAGE_NAMES } from "../../i18n";
import { useChange } from "../../ui/use_change";

interface Props {
  /** null: a new one. */
  user: User | null;
  onClose: () => void;
  /** With the password that the collector made up for a new user. */
  onSaved: (name: string, password: string | null) => void;
}

interface Fields {
  name: string;
  display_name: string;
  role: User["role"];
  language: Language | "";
}

export function UserForm({ user, onClose, onSaved }: Props): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [form] = Form.useForm<Fields>();
  const save = (f: Fields): void => {
    const rest = { display_name: (f.display_name ?? "").trim(), role: f.role, ...(f.language === "" ? {} : { language: f.language }) };
    if (user === null) {
      void run(() => createUser({ name: f.name.trim(), ...rest }), (password) => onSaved(f.name.trim(), password));
    } else {
      void run(() => updateUser(user.name, rest), () => onSaved(user.name, null));
    }
  };
  const initial: Fields = user === null
    ? { name: "", display_name: "", role: "viewer", language: "" }
    : { name: user.name, display_name: user.display_name, role: user.role, language: user.language ?? "" };
  const languages = [{ value: "", label: t("users.browser_language") }, ...LANGUAGES.map((l) => ({ value: l, label: LANGUAGE_NAMES[l] }))];
  return (
    <Modal open title={user === null ? t("users.add") : t("users.edit_title", { name: user.name })} okText={t("fleet.save")} cancelText={t("fleet.cancel")}
      onCancel={onClose} onOk={() => form.submit()} confirmLoading={isBusy}>
      <Form form={form} layout="vertical" initialValues={initial} onFinish={save} requiredMark={false}>
        {user === null && (
          <Form.Item name="name" label={t("users.name")} extra={t("users.name_hint")} rules={[{ required: true, pattern: /^[a-z0-9][a-z0-9._-]{0,62}$/, message: t("users.name_hint") }]}>
            <Input maxLength={63} autoFocus autoCapitalize="none" autoComplete="off" />
          </Form.Item>
        )}
        <Form.Item name="display_name" label={t("users.display_name")}><Input maxLength={128} /></Form.Item>
        <Form.Item name="role" label={t("users.role")}><Select options={ROLES.map((r) => ({ value: r, label: t(`role.${r}`) }))} /></Form.Item>
        <Form.Item name="language" label={t("users.language")}><Select options={languages} /></Form.Item>
      </Form>
    </Modal>
  );
}
