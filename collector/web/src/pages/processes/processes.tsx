// All processes: their steps, when a case has ended, a switch, and the way to their cases.

import "./processes.css";

import { PlusOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { changeProcess, listProcesses, type Process } from "../../api/processes";
import { DataTable, type Column } from "../../ui/data_table";
import { useSession } from "../../ui/session";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { OnOff } from "../definitions/head";
import { ProcessForm } from "./process_form";
import { doneText, stepsText } from "./words";

function List({ processes, onChanged }: { processes: Process[]; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const columns: Column<Process>[] = [
    {
      key: "name", title: t("process.process"), sorter: (a, b) => a.name.localeCompare(b.name),
      render: (p) => <div className="site-name"><Link href={`/processes/${encodeURIComponent(p.id)}`}>{p.name}</Link><div className="says">{doneText(p, t)}</div></div>,
    },
    { key: "steps", title: t("process.steps"), width: 340, isWide: true, render: (p) => <span className="is-broken">{stepsText(p.steps, t)}</span> },
    { key: "cases", title: t("nav.cases"), width: 130, render: (p) => <Link href={`/cases?process=${encodeURIComponent(p.id)}`}>{t("process.to_cases")}</Link> },
    { key: "on", title: t("work.state"), width: 120, render: (p) => <OnOff item={p} change={changeProcess} onChanged={onChanged} /> },
  ];
  return <DataTable keyOf={(p) => p.id} columns={columns} rows={processes} minWidth={860} />;
}

export default function Processes(): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const [isAdding, setAdding] = useState(false);
  const polled = usePoll(listProcesses, { key: "processes", intervalMs: 30_000 });
  const saved = (): void => {
    setAdding(false);
    polled.refresh();
  };
  return (
    <>
      <div className="title-row">
        <h1>{t("nav.processes")}</h1>
        {isAdministrator && <Button type="primary" icon={<PlusOutlined />} onClick={() => setAdding(true)}>{t("process.add")}</Button>}
      </div>
      <View polled={polled} isEmpty={(p) => p.length === 0} empty={<Empty title={t("process.empty")}><p>{t("process.empty_text")}</p></Empty>}>
        {(processes) => <List processes={processes} onChanged={polled.refresh} />}
      </View>
      {isAdding && <ProcessForm process={null} onClose={() => setAdding(false)} onSaved={saved} />}
    </>
  );
}
