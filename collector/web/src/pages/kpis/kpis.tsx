// All KPIs: what each measures, its switch, and how the sites stand against its target.

import "./kpis.css";

import { PlusOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useMemo, useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { changeKpi, listKpis, type Kpi } from "../../api/kpis";
import { DataTable, type Column } from "../../ui/data_table";
import { useSession } from "../../ui/session";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { useProcessName, useSites } from "../definitions/fields";
import { OnOff, scopeText } from "../definitions/head";
import { KpiForm } from "./kpi_form";
import { Latest } from "./latest";
import { kpiSentence, targetText } from "./words";

function List({ kpis, onChanged }: { kpis: Kpi[]; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const sites = useSites();
  const processName = useProcessName();
  const names = useMemo(() => new Map(sites.map((s) => [s.id, s.name])), [sites]);
  const columns: Column<Kpi>[] = [
    {
      key: "name", title: t("kpi.kpi"), sorter: (a, b) => a.name.localeCompare(b.name),
      render: (k) => <div className="site-name"><Link href={`/kpis/${encodeURIComponent(k.id)}`}>{k.name}</Link><div className="says">{kpiSentence({ ...k, process: processName(k.process) }, t)}</div></div>,
    },
    { key: "latest", title: t("kpi.latest"), width: 380, isWide: true, render: (k) => <Latest kpi={k} names={names} /> },
    { key: "target", title: t("kpi.target"), width: 130, render: (k) => targetText(k, t) || "–" },
    { key: "scope", title: t("work.scope"), width: 150, render: (k) => scopeText(k, t, names) },
    { key: "on", title: t("work.state"), width: 110, render: (k) => <OnOff item={k} change={changeKpi} onChanged={onChanged} /> },
  ];
  return <DataTable keyOf={(k) => k.id} columns={columns} rows={kpis} minWidth={1040} />;
}

export default function Kpis(): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const [isAdding, setAdding] = useState(false);
  const polled = usePoll(listKpis, { key: "kpis", intervalMs: 30_000 });
  const saved = (): void => {
    setAdding(false);
    polled.refresh();
  };
  return (
    <>
      <div className="title-row">
        <h1>{t("nav.kpis")}</h1>
        {isAdministrator && <Button type="primary" icon={<PlusOutlined />} onClick={() => setAdding(true)}>{t("kpi.add")}</Button>}
      </div>
      <View polled={polled} isEmpty={(k) => k.length === 0} empty={<Empty title={t("kpi.empty")}><p>{t("kpi.empty_text")}</p></Empty>}>
        {(kpis) => <List kpis={kpis} onChanged={polled.refresh} />}
      </View>
      {isAdding && <KpiForm kpi={null} onClose={() => setAdding(false)} onSaved={saved} />}
    </>
  );
}
