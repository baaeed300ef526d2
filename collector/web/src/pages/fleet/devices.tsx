// The list of devices, for looking up and for administration.

import { PlusOutlined } from "@ant-design/icons";
import { App, Button, Dropdown, Input, Switch } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { listDevices, updateDevice, type Device } from "../../api/devices";
import type { Result } from "../../api/http";
import { listSites, type Site } from "../../api/sites";
import { browserZone, formatDate } from "../../model/time";
import { Age } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { useSession } from "../../ui/session";
import { StateBadge } from "../../ui/state_badge";
import { useChange } from "../../ui/use_change";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { FillingIn } from "../site/header";
import { AddDevice } from "./add_device";
import { MoveDevice, RenameDevice } from "./device_dialogs";

interface Both {
  devices: Device[];
  sites: Site[];
}

async function load(retired: boolean, signal: AbortSignal): Promise<Result<Both>> {
  const [devices, sites] = await Promise.all([listDevices({ retired }, signal), listSites(true, signal)]);
  if (!devices.ok) {
    return devices;
  }
  return sites.ok ? { ok: true, value: { devices: devices.value, sites: sites.value } } : sites;
}

type Dialog = { kind: "rename" | "move"; device: Device } | { kind: "add" };

interface TableProps extends Both {
  text: string;
  onDialog: (dialog: Dialog) => void;
  onChanged: () => void;
}

function Actions({ device, onDialog, onChanged }: { device: Device } & Pick<TableProps, "onDialog" | "onChanged">): ReactElement {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const { run } = useChange();
  const change = (): Promise<boolean> => run(() => updateDevice(device, { retired: !device.retired }), onChanged);
  const retire = (): void => {
    modal.confirm({ title: t("fleet.retire_device", { name: device.name }), content: t("fleet.retire_text"), okText: t("fleet.retire"), onOk: change });
  };
  const items = [
    { key: "rename", label: t("fleet.rename"), onClick: () => onDialog({ kind: "rename", device }) },
    { key: "move", label: t("fleet.move"), onClick: () => onDialog({ kind: "move", device }) },
    device.retired
      ? { key: "unretire", label: t("fleet.unretire"), onClick: () => void change() }
      : { key: "retire", label: t("fleet.retire"), danger: true, onClick: retire },
  ];
  return (
    <Dropdown menu={{ items }} trigger={["click"]}>
      <Button size="small">{t("fleet.edit")}</Button>
    </Dropdown>
  );
}

function DeviceTable({ devices, sites, text, onDialog, onChanged }: TableProps): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const siteOf = (d: Device): Site | undefined => sites.find((s) => s.id === d.site);
  const hay = (d: Device): string => [d.id, d.name, siteOf(d)?.name ?? "", d.site].join(" ").toLowerCase();
  const zoneOf = (d: Device): string => siteOf(d)?.zone ?? "UTC";
  const columns: Column<Device>[] = [
    {
      key: "device",
      title: t("fleet.device"),
      sorter: (a, b) => a.name.localeCompare(b.name),
      render: (d) => (
        <div className="site-name">
          <Link href={`/devices/${encodeURIComponent(d.id)}`}>{d.name}</Link>
          <div className="site-sub"><code>{d.id}</code></div>
        </div>
      ),
    },
    { key: "state", title: t("fleet.state"), width: 130, render: (d) => <><StateBadge state={d.state} /><FillingIn device={d} isShort /></> },
    { key: "site", title: t("fleet.site"), sorter: (a, b) => a.site.localeCompare(b.site), render: (d) => <Link href={`/sites/${encodeURIComponent(d.site)}?device=${encodeURIComponent(d.id)}`}>{siteOf(d)?.name ?? d.site}</Link> },
    { key: "data", title: t("fleet.data_until"), width: 140, render: (d) => <Age unixMs={d.data_until_unix_ms} zone={zoneOf(d)} none="never" /> },
    {
      key: "certificate",
      title: t("fleet.certificate"),
      width: 160,
      render: (d) => (d.certificate === null ? <span className="is-faint">{t("fleet.no_certificate")}</span> : formatDate(d.certificate.not_after_unix_ms, browserZone())),
    },
    { key: "gaps", title: t("fleet.gaps"), width: 80, render: (d) => (d.gaps === 0 ? 0 : <Link href={`/quality?device=${encodeURIComponent(d.id)}`}>{d.gaps}</Link>) },
  ];
  if (isAdministrator) {
    columns.push({ key: "actions", title: t("fleet.actions"), width: 100, render: (d) => <Actions device={d} onDialog={onDialog} onChanged={onChanged} /> });
  }
  const shown = devices.filter((d) => hay(d).includes(text.toLowerCase()));
  return <DataTable keyOf={(row) => row.id} columns={columns} rows={shown} minWidth={900} />;
}

export function Devices(): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const [text, setText] = useState("");
  const [showRetired, setShowRetired] = useState(false);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const polled = usePoll((signal) => load(showRetired, signal), { key: `devices:${showRetired}`, intervalMs: 15_000 });
  const close = (): void => setDialog(null);
  const saved = (): void => {
    setDialog(null);
    polled.refresh();
  };
  return (
    <>
      <div className="filters">
        <Input.Search className="filter-text" allowClear placeholder={t("fleet.search")} aria-label={t("fleet.search")} onChange={(e) => setText(e.target.value)} />
        <label className="switch"><Switch size="small" checked={showRetired} onChange={setShowRetired} /> {t("fleet.show_retired")}</label>
        <span className="header-gap" />
        {isAdministrator && <Button type="primary" icon={<PlusOutlined />} onClick={() => setDialog({ kind: "add" })}>{t("fleet.add_device")}</Button>}
      </div>
      <View polled={polled} isEmpty={(b) => b.devices.length === 0} empty={<Empty title={t("fleet.no_devices")} />}>
        {(both) => <DeviceTable {...both} text={text} onDialog={setDialog} onChanged={polled.refresh} />}
      </View>
      {dialog?.kind === "add" && <AddDevice sites={polled.value?.sites ?? []} onClose={close} />}
      {dialog?.kind === "rename" && <RenameDevice device={dialog.device} onClose={close} onSaved={saved} />}
      {dialog?.kind === "move" && <MoveDevice device={dialog.device} sites={polled.value?.sites ?? []} onClose={close} onSaved={saved} />}
    </>
  );
}
