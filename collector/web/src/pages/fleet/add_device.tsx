// How a device is added.  The key is made by the `branchline` tool, not here: the page gives the two commands, filled in and quoted.

import { AutoComplete, Drawer, Form, Input } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { Site } from "../../api/sites";
import { agentSetupCommand, deviceAddCommand } from "../../model/commands";
import { Command } from "../../ui/command";

export function AddDevice({ sites, onClose }: { sites: readonly Site[]; onClose: () => void }): ReactElement {
  const { t } = useTranslation();
  const [site, setSite] = useState(sites[0]?.id ?? "");
  const [name, setName] = useState("");
  const choices = sites.filter((s) => !s.retired).map((s) => ({ value: s.id, label: `${s.name} (${s.id})` }));
  return (
    <Drawer open size={520} onClose={onClose} title={t("fleet.how_title")}>
      <p>{t("fleet.how_intro")}</p>
      <Form layout="vertical" className="how-form">
        <Form.Item label={t("fleet.how_site")} htmlFor="how-site">
          <AutoComplete id="how-site" value={site} options={choices} onChange={setSite}
            showSearch={{ filterOption: (typed, option) => (option?.label ?? "").toLowerCase().includes(typed.toLowerCase()) }} />
        </Form.Item>
        <Form.Item label={t("fleet.how_name")} htmlFor="how-name">
          <Input id="how-name" maxLength={128} value={name} onChange={(e) => setName(e.target.value)} />
        </Form.Item>
      </Form>
      <h3 className="how-step">{t("fleet.how_step1")}</h3>
      <Command text={deviceAddCommand(site.trim() || "SITE", name.trim() || "NAME")} />
      <p className="is-faint">{t("fleet.how_step1_text")}</p>
      <h3 className="how-step">{t("fleet.how_step2")}</h3>
      <Command text={agentSetupCommand(t("fleet.how_file"))} />
      <p className="is-faint">{t("fleet.how_step2_text")}</p>
      <p className="how-step">{t("fleet.how_step3")}</p>
    </Drawer>
  );
}
