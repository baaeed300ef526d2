// A secret that was just made: shown this once, so it goes away only when somebody says that he has it.

import { Button, Modal } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { Command } from "../../ui/command";

export interface Made {
  name: string;
  secret: string;
}

export function SecretDialog({ made, onClose }: { made: Made; onClose: () => void }): ReactElement {
  const { t } = useTranslation();
  return (
    <Modal open closable={false} keyboard={false} mask={{ closable: false }} title={t("channel.secret_title", { name: made.name })}
      footer={<Button type="primary" onClick={onClose}>{t("channel.secret_stored")}</Button>}>
      <p>{t("channel.secret_once")}</p>
      <Command text={made.secret} />
      <p className="list-note">{t("channel.secret_use")}</p>
    </Modal>
  );
}
