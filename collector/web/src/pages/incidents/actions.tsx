// What operators do about an incident: take notice, give it to somebody, close it, say something.

import { CheckOutlined, UserSwitchOutlined } from "@ant-design/icons";
import { Button, Input, Modal, Select } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { acknowledge, assign, comment, resolveIncident, type IncidentDetail } from "../../api/incidents";
import type { Person } from "../../api/people";
import { isClosed, isLive } from "../../model/incidents";
import { useSession } from "../../ui/session";
import { useChange } from "../../ui/use_change";

const COMMENT_MAX = 4000;

interface Props {
  incident: IncidentDetail;
  people: readonly Person[];
  onChanged: () => void;
}

function Assign({ incident, people, onChanged, onClose }: Props & { onClose: () => void }): ReactElement {
  const { t } = useTranslation();
  const { me } = useSession();
  const { isBusy, run } = useChange();
  const [user, setUser] = useState<string>(incident.assignee ?? me.name);
  const options = [{ value: "", label: t("work.nobody") }, ...people.map((p) => ({ value: p.name, label: p.display_name === "" ? p.name : `${p.display_name} (${p.name})` }))];
  const save = (): void => {
    void run(() => assign(incident, user === "" ? null : user), onChanged).then((ok) => {
      if (ok) {
        onClose();
      }
    });
  };
  return (
    <Modal open title={t("incident.assign_title")} okText={t("incident.assign")} cancelText={t("fleet.cancel")} onCancel={onClose} onOk={save} confirmLoading={isBusy}>
      <Select className="is-wide" aria-label={t("incident.assignee")} showSearch={{ optionFilterProp: "label" }} value={user} options={options} onChange={setUser} />
    </Modal>
  );
}

function Resolve({ incident, onChanged, onClose }: Omit<Props, "people"> & { onClose: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [text, setText] = useState("");
  const save = (): void => {
    void run(() => resolveIncident(incident, text.trim()), onChanged).then((ok) => {
      if (ok) {
        onClose();
      }
    });
  };
  return (
    <Modal open title={t("incident.resolve_title")} okText={t("incident.resolve")} cancelText={t("fleet.cancel")} onCancel={onClose} onOk={save} confirmLoading={isBusy}>
      <p className="list-note">{t("incident.resolve_text")}</p>
      <Input.TextArea aria-label={t("incident.comment")} placeholder={t("incident.comment_optional")} rows={3} maxLength={COMMENT_MAX} value={text} onChange={(e) => setText(e.target.value)} />
    </Modal>
  );
}

export function Actions(props: Props): ReactElement | null {
  const { incident, onChanged } = props;
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [open, setOpen] = useState<"assign" | "resolve" | null>(null);
  if (!isLive(incident)) {
    return null;
  }
  return (
    <div className="incident-actions">
      {incident.state === "open" && (
        <Button type="primary" icon={<CheckOutlined />} loading={isBusy} onClick={() => void run(() => acknowledge(incident), onChanged)}>{t("incident.acknowledge")}</Button>
      )}
      <Button icon={<UserSwitchOutlined />} onClick={() => setOpen("assign")}>{t("incident.assign")}</Button>
      <Button onClick={() => setOpen("resolve")}>{t("incident.resolve")}</Button>
      {open === "assign" && <Assign {...props} onClose={() => setOpen(null)} />}
      {open === "resolve" && <Resolve {...props} onClose={() => setOpen(null)} />}
    </div>
  );
}

export function CommentBox({ incident, onChanged }: Omit<Props, "people">): ReactElement | null {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [text, setText] = useState("");
  if (isClosed(incident)) {
    return null;
  }
  const say = (): void => {
    void run(() => comment(incident, text.trim()), () => { setText(""); onChanged(); });
  };
  return (
    <div className="comment-box">
      <Input.TextArea aria-label={t("incident.comment")} placeholder={t("incident.comment_hint")} autoSize={{ minRows: 2, maxRows: 10 }} maxLength={COMMENT_MAX}
        value={text} onChange={(e) => setText(e.target.value)} />
      <Button disabled={text.trim() === ""} loading={isBusy} onClick={say}>{t("incident.comment_add")}</Button>
    </div>
  );
}
