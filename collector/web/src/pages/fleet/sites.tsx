// The list of sites, for looking up and for administration.

import { PlusOutlined } from "@ant-design/icons";
import { App, Button, Input, Switch } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { listSites, updateSite, type Site } from "../../api/sites";
import { tagText } from "../../model/overview";
import { browserZone, formatDate } from "../../model/time";
import { DataTable, type Column } from "../../ui/data_table";
import { useSession } from "../../ui/session";
import { StateBadge } from "../../ui/state_badge";
import { useChange } from "../../ui/use_change";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { SiteForm } from "./site_form";

function matches(site: Site, text: string): boolean {
  const tags = Object.entries(site.tags).map(([k, v]) => tagText(k, v));
  return [site.id, site.name, site.region, site.zone, ...tags].join(" ").toLowerCase().includes(text.toLowerCase());
}

function SiteTable({ sites, onEdit, onChanged }: { sites: Site[]; onEdit: (site: Site) => void; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const { modal } = App.useApp();
  const { run } = useChange();
  const retire = (site: Site): void => {
    const change = (): Promise<boolean> => run(() => updateSite(site, { retired: !site.retired }), onChanged);
    if (site.retired) {
      void change();
      return;
    }
    modal.confirm({ title: t("fleet.retire_site", { name: site.name }), content: t("fleet.retire_text"), okText: t("fleet.retire"), onOk: change });
  };
  const columns: Column<Site>[] = [
    {
      key: "name",
      title: t("fleet.name"),
      sorter: (a, b) => a.name.localeCompare(b.name),
      defaultSortOrder: "ascend",
      render: (s) => (
        <div className="site-name">
          <Link href={`/sites/${encodeURIComponent(s.id)}`}>{s.name}</Link> {s.retired && <StateBadge state="retired" />}
          <div className="site-sub"><code>{s.id}</code></div>
        </div>
      ),
    },
    { key: "region", title: t("fleet.region"), sorter: (a, b) => a.region.localeCompare(b.region), render: (s) => s.region },
    { key: "zone", title: t("fleet.zone"), render: (s) => s.zone },
    { key: "tags", isWide: true, title: t("fleet.tags"), render: (s) => Object.entries(s.tags).map(([k, v]) => <span key={k} className="tag">{tagText(k, v)}</span>) },
    { key: "created", title: t("fleet.created"), width: 130, render: (s) => formatDate(s.created_unix_ms, browserZone()) },
  ];
  if (isAdministrator) {
    columns.push({
      key: "actions",
      title: t("fleet.actions"),
      width: 170,
      render: (s) => (
        <span className="actions">
          <Button size="small" onClick={() => onEdit(s)}>{t("fleet.edit")}</Button>
          <Button size="small" danger={!s.retired} onClick={() => retire(s)}>{s.retired ? t("fleet.unretire") : t("fleet.retire")}</Button>
        </span>
      ),
    });
  }
  return <DataTable keyOf={(row) => row.id} columns={columns} rows={sites} minWidth={900} />;
}

export function Sites(): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const [text, setText] = useState("");
  const [showRetired, setShowRetired] = useState(false);
  const [editing, setEditing] = useState<Site | "new" | null>(null);
  const polled = usePoll((signal) => listSites(showRetired, signal), { key: `sites:${showRetired}`, intervalMs: 30_000 });
  return (
    <>
      <div className="filters">
        <Input.Search className="filter-text" allowClear placeholder={t("fleet.search")} aria-label={t("fleet.search")} onChange={(e) => setText(e.target.value)} />
        <label className="switch"><Switch size="small" checked={showRetired} onChange={setShowRetired} /> {t("fleet.show_retired")}</label>
        <span className="header-gap" />
        {isAdministrator && <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing("new")}>{t("fleet.add_site")}</Button>}
      </div>
      <View polled={polled} isEmpty={(s) => s.length === 0} empty={<Empty title={t("fleet.no_sites")} />}>
        {(sites) => <SiteTable sites={sites.filter((s) => matches(s, text))} onEdit={setEditing} onChanged={polled.refresh} />}
      </View>
      {editing !== null && (
        <SiteForm
          key={editing === "new" ? "new" : editing.id}
          site={editing === "new" ? null : editing}
          onClose={() => setEditing(null)}
          onSaved={() => { setEditing(null); polled.refresh(); }}
        />
      )}
    </>
  );
}
