// Sites and devices: two lists that belong together.

import { Tabs } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";

import { useSession } from "../../ui/session";
import { Devices } from "./devices";
import { Sites } from "./sites";

export default function Fleet({ tab }: { tab: "sites" | "devices" }): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const [, go] = useLocation();
  const items = [
    { key: "sites", label: t("fleet.sites"), children: <Sites /> },
    { key: "devices", label: t("fleet.devices"), children: <Devices /> },
  ];
  return (
    <>
      <h1>{t("fleet.title")}</h1>
      {!isAdministrator && <p className="list-note">{t("fleet.readonly")}</p>}
      <Tabs items={items} activeKey={tab} destroyOnHidden onChange={(key) => go(key === "devices" ? "/fleet/devices" : "/fleet")} />
    </>
  );
}
