// One rule: its sentence, what it has found, why it did or did not fire, its versions.

import "./rules.css";

import { EditOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { changeRule, getRule, ruleVersions, type Rule } from "../../api/rules";
import { useSession } from "../../ui/session";
import { SeverityBadge } from "../../ui/severity";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";
import { OnOff, scopeText, Versions } from "../definitions/head";
import { RuleHistory } from "./history";
import { RuleForm } from "./rule_form";
import { useNames } from "./use_names";
import { ruleSentence } from "./words";

function Header({ rule, onEdit, onChanged }: { rule: Rule; onEdit: () => void; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const names = useNames();
  const id = encodeURIComponent(rule.id);
  return (
    <>
      <p className="crumbs"><Link href="/rules">{t("nav.rules")}</Link> <span aria-hidden="true">/</span> {rule.id}</p>
      <div className="title-row is-top">
        <div className="site-title">
          <h1>{rule.name}</h1>
          <SeverityBadge severity={rule.severity} />
          <OnOff item={rule} change={changeRule} onChanged={onChanged} />
        </div>
        {isAdministrator && <Button icon={<EditOutlined />} onClick={onEdit}>{t("work.edit")}</Button>}
      </div>
      <p className="says is-lead">{ruleSentence(rule, names, t)}</p>
      <dl className="facts is-inline">
        {rule.kind === "threshold" && <div><dt>{t("rule.kpi")}</dt><dd><Link href={`/kpis/${encodeURIComponent(rule.kpi)}`}>{names.kpi.get(rule.kpi)?.name ?? rule.kpi}</Link></dd></div>}
        <div><dt>{t("work.scope")}</dt><dd>{scopeText(rule, t)}</dd></div>
        <div><dt>{t("work.version")}</dt><dd>{rule.version}</dd></div>
        <div><dt>{t("nav.incidents")}</dt><dd><Link href={`/incidents?rule=${id}`}>{t("incident.state_live")}</Link> · <Link href={`/incidents?state=all&rule=${id}`}>{t("incident.state_all")}</Link></dd></div>
      </dl>
    </>
  );
}

function History({ rule }: { rule: Rule }): ReactElement {
  const { t } = useTranslation();
  const names = useNames();
  const polled = usePoll((signal) => ruleVersions(rule.id, signal), { key: `${rule.id}|${rule.version}`, intervalMs: 0 });
  return (
    <section className="panel">
      <h2>{t("work.versions")}</h2>
      <View polled={polled}>
        {(versions) => <Versions versions={versions} say={(v) => `${ruleSentence(v, names, t)} ${scopeText(v, t)}`} />}
      </View>
    </section>
  );
}

function Content({ rule, onEdit, onChanged }: { rule: Rule; onEdit: () => void; onChanged: () => void }): ReactElement {
  const names = useNames();
  return (
    <>
      <Header rule={rule} onEdit={onEdit} onChanged={onChanged} />
      <RuleHistory rule={rule} unit={names.kpi.get(rule.kpi)?.unit ?? ""} />
      <History rule={rule} />
    </>
  );
}

export default function RulePage({ id }: { id: string }): ReactElement {
  const [isEditing, setEditing] = useState(false);
  const polled = usePoll((signal) => getRule(id, signal), { key: id, intervalMs: 60_000 });
  const saved = (): void => {
    setEditing(false);
    polled.refresh();
  };
  return (
    <View polled={polled}>
      {(rule) => (
        <>
          <Content rule={rule} onEdit={() => setEditing(true)} onChanged={polled.refresh} />
          {isEditing && <RuleForm rule={rule} onClose={() => setEditing(false)} onSaved={saved} />}
        </>
      )}
    </View>
  );
}
