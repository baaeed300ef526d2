// Renaming a device, and moving it to another site.

import { Form, Input, Modal, Select } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { moveDevice, updateDevice, type Device } from "../../api/devices";
import type { Site } from "../../api/sites";
import { useChange } from "../../ui/use_change";

interface Props {
  device: Device;
  onClose: () => void;
  onSaved: () => void;
}

export function RenameDevice({ device, onClose, onSaved }: Props): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [name, setName] = useState(device.name);
  const isReady = name.trim() !== "" && name.trim() !== device.name;
  const save = (): void => void run(() => updateDevice(device, { name: name.trim() }), onSaved);
  return (
    <Modal open title={t("fleet.rename_title", { name: device.name })} okText={t("fleet.save")} cancelText={t("fleet.cancel")} onCancel={onClose}
      onOk={save} okButtonProps={{ disabled: !isReady }} confirmLoading={isBusy}>
      <Form layout="vertical" onFinish={() => isReady && save()}>
        <Form.Item label={t("fleet.name")} htmlFor="device-name">
          <Input id="device-name" maxLength={128} autoFocus value={name} onChange={(e) => setName(e.target.value)} />
        </Form.Item>
      </Form>
    </Modal>
  );
}

export function MoveDevice({ device, sites, onClose, onSaved }: Props & { sites: readonly Site[] }): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [site, setSite] = useState<string | undefined>(undefined);
  const choices = sites.filter((s) => !s.retired && s.id !== device.site).map((s) => ({ value: s.id, label: `${s.name} (${s.id})` }));
  const [note, setNote] = useState<string | null>(null);
  const move = (): void => {
    if (site !== undefined) {
      void run(() => moveDevice(device.id, site), (said) => {
        if (said === null) {
          onSaved();
        } else {
          setNote(said);
        }
      });
    }
  };
  const isDone = note !== null;
  return (
    <Modal open title={t("fleet.move_title", { name: device.name })} okText={isDone ? t("users.done") : t("fleet.move")} cancelText={t("fleet.cancel")}
      onCancel={isDone ? onSaved : onClose} onOk={isDone ? onSaved : move} okButtonProps={{ disabled: site === undefined }} confirmLoading={isBusy}>
      {isDone ? <p role="status">{note}</p> : (
        <>
          <p>{t("fleet.move_text")}</p>
          <Select className="is-wide" showSearch={{ optionFilterProp: "label" }} aria-label={t("fleet.move_to")} placeholder={t("fleet.move_to")} value={site} options={choices} onChange={setSite} />
        </>
      )}
    </Modal>
  );
}
