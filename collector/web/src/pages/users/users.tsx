// Users, for administrators.

import { PlusOutlined } from "@ant-design/icons";
import { App, Button, Dropdown, Modal } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { deleteUser, listUsers, updateUser, type User } from "../../api/users";
import { LANGUAGE_NAMES } from "../../i18n";
import { Command } from "../../ui/command";
import { DataTable, type Column } from "../../ui/data_table";
import { useSession } from "../../ui/session";
import { useChange } from "../../ui/use_change";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { UserForm } from "./user_form";

function Actions({ user, onEdit, onChanged }: { user: User; onEdit: (user: User) => void; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const { me } = useSession();
  const { modal } = App.useApp();
  const { run } = useChange();
  const remove = (): void => {
    modal.confirm({
      title: t("users.delete_title", { name: user.name }),
      content: t("users.delete_text"),
      okText: t("users.delete"),
      okButtonProps: { danger: true },
      onOk: () => run(() => deleteUser(user.name), onChanged),
    });
  };
  // Nobody locks himself out.
  const others = [
    { key: "disable", label: t(user.disabled ? "users.enable" : "users.disable"), onClick: () => void run(() => updateUser(user.name, { disabled: !user.disabled }), onChanged) },
    { key: "delete", label: t("users.delete"), danger: true, onClick: remove },
  ];
  const items = [{ key: "edit", label: t("users.edit"), onClick: () => onEdit(user) }, ...(me.name === user.name ? [] : others)];
  return (
    <Dropdown menu={{ items }} trigger={["click"]}>
      <Button size="small">{t("users.edit")}</Button>
    </Dropdown>
  );
}

function UserTable({ users, onEdit, onChanged }: { users: User[]; onEdit: (user: User) => void; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const { me } = useSession();
  const columns: Column<User>[] = [
    { key: "name", title: t("users.name"), render: (u) => <span>{u.name} {u.name === me.name && <span className="tag">{t("users.you")}</span>}</span> },
    { key: "display", title: t("users.display_name"), render: (u) => u.display_name },
    { key: "role", title: t("users.role"), render: (u) => t(`role.${u.role}`) },
    { key: "language", title: t("users.language"), render: (u) => (u.language === null ? t("users.browser_language") : LANGUAGE_NAMES[u.language]) },
    { key: "state", title: t("users.state"), render: (u) => (u.disabled ? <span className="is-bad">{t("users.disabled")}</span> : t("users.active")) },
    { key: "actions", title: t("users.actions"), width: 110, render: (u) => <Actions user={u} onEdit={onEdit} onChanged={onChanged} /> },
  ];
  return <DataTable keyOf={(row) => row.name} columns={columns} rows={users} minWidth={700} />;
}

export default function Users(): ReactElement {
  const { t } = useTranslation();
  const [editing, setEditing] = useState<User | "new" | null>(null);
  const [made, setMade] = useState<{ name: string; password: string } | null>(null);
  const polled = usePoll(listUsers, { key: "users", intervalMs: 30_000 });
  const saved = (name: string, password: string | null): void => {
    setEditing(null);
    setMade(password === null ? null : { name, password });
    polled.refresh();
  };
  return (
    <>
      <div className="title-row">
        <h1>{t("users.title")}</h1>
        <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing("new")}>{t("users.add")}</Button>
      </div>
      <View polled={polled} isEmpty={(u) => u.length === 0} empty={<Empty title={t("users.empty")} />}>
        {(users) => <UserTable users={users} onEdit={setEditing} onChanged={polled.refresh} />}
      </View>
      {editing !== null && <UserForm key={editing === "new" ? "" : editing.name} user={editing === "new" ? null : editing} onClose={() => setEditing(null)} onSaved={saved} />}
      {made !== null && (
        <Modal open title={t("users.initial_title", { name: made.name })} onCancel={() => setMade(null)}
          footer={<Button type="primary" onClick={() => setMade(null)}>{t("users.done")}</Button>}>
          <p>{t("users.initial_text")}</p>
          <Command text={made.password} />
        </Modal>
      )}
    </>
  );
}
