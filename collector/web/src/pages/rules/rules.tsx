// All rules: each as a sentence, its switch, and how many incidents it has now.

import { PlusOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { listIncidents } from "../../api/incidents";
import { changeRule, listRules, type Rule } from "../../api/rules";
import { LIVE } from "../../model/incidents";
import { DataTable, type Column } from "../../ui/data_table";
import { useSession } from "../../ui/session";
import { SeverityBadge } from "../../ui/severity";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { OnOff, scopeText } from "../definitions/head";
import { RuleForm } from "./rule_form";
import "./rules.css";
import { useNames } from "./use_names";
import { ruleSentence } from "./words";

function Live({ rule, count }: { rule: Rule; count: number | undefined }): ReactElement {
  const { t } = useTranslation();
  if (count === undefined) {
    return <span className="is-faint">{t("work.unknown")}</span>;
  }
  return count === 0 ? <span className="is-faint">{t("rule.quiet")}</span>
    : <Link className="is-bad" href={`/incidents?rule=${encodeURIComponent(rule.id)}`}>{t("rule.live", { count })}</Link>;
}

function List({ rules, onChanged }: { rules: Rule[]; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const names = useNames();
  const live = usePoll((signal) => listIncidents({ state: LIVE.join(",") }, signal), { key: "live", intervalMs: 10_000 });
  const isCurrent = live.kind === "normal" || live.kind === "stale";
  const count = (rule: Rule): number | undefined => (isCurrent ? live.value?.items.filter((i) => i.rule === rule.id).length : undefined);
  const columns: Column<Rule>[] = [
    {
      key: "name", title: t("rule.says"), sorter: (a, b) => a.name.localeCompare(b.name),
      render: (r) => <div className="site-name"><Link href={`/rules/${encodeURIComponent(r.id)}`}>{r.name}</Link><div className="says">{ruleSentence(r, names, t)}</div></div>,
    },
    { key: "severity", title: t("work.severity"), width: 110, render: (r) => <SeverityBadge severity={r.severity} /> },
    { key: "now", title: t("rule.now"), width: 150, render: (r) => <Live rule={r} count={count(r)} /> },
    { key: "scope", title: t("work.scope"), width: 180, render: (r) => scopeText(r, t) },
    { key: "on", title: t("work.state"), width: 110, render: (r) => <OnOff item={r} change={changeRule} onChanged={onChanged} /> },
  ];
  return <DataTable keyOf={(r) => r.id} columns={columns} rows={rules} minWidth={960} />;
}

export default function Rules(): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const [isAdding, setAdding] = useState(false);
  const polled = usePoll(listRules, { key: "rules", intervalMs: 30_000 });
  const saved = (): void => {
    setAdding(false);
    polled.refresh();
  };
  return (
    <>
      <div className="title-row">
        <h1>{t("nav.rules")}</h1>
        {isAdministrator && <Button type="primary" icon={<PlusOutlined />} onClick={() => setAdding(true)}>{t("rule.add")}</Button>}
      </div>
      <View polled={polled} isEmpty={(r) => r.length === 0} empty={<Empty title={t("rule.empty")}><p>{t("rule.empty_text")}</p></Empty>}>
        {(rules) => <List rules={rules} onChanged={polled.refresh} />}
      </View>
      {isAdding && <RuleForm rule={null} onClose={() => setAdding(false)} onSaved={saved} />}
    </>
  );
}
