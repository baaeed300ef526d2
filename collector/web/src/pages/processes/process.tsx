// One process: its steps, when a case has ended, what is made of it, and its versions.

import "./processes.css";

import { EditOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Result } from "../../api/http";
import { listKpis } from "../../api/kpis";
import { changeProcess, getProcess, processVersions, type Process } from "../../api/processes";
import { listRules } from "../../api/rules";
import { useSession } from "../../ui/session";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";
import { OnOff, Versions } from "../definitions/head";
import { ProcessForm } from "./process_form";
import { doneText, stepsText } from "./words";

function Header({ process, onEdit, onChanged }: { process: Process; onEdit: () => void; onChanged: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  return (
    <>
      <p className="crumbs"><Link href="/processes">{t("nav.processes")}</Link> <span aria-hidden="true">/</span> {process.id}</p>
      <div className="title-row is-top">
        <div className="site-title">
          <h1>{process.name}</h1>
          <OnOff item={process} change={changeProcess} onChanged={onChanged} />
        </div>
        <span className="actions">
          <Link href={`/cases?process=${encodeURIComponent(process.id)}`}>{t("process.to_cases")}</Link>
          {isAdministrator && <Button icon={<EditOutlined />} onClick={onEdit}>{t("work.edit")}</Button>}
        </span>
      </div>
      <p className="says is-lead">{doneText(process, t)}</p>
      {!process.enabled && <p className="notice is-late">{t("process.off_text")}</p>}
    </>
  );
}

function Steps({ process }: { process: Process }): ReactElement {
  const { t } = useTranslation();
  return (
    <section className="panel">
      <h2>{t("process.steps")}</h2>
      {process.steps.length === 0 ? <p className="is-faint">{t("process.any_steps")}</p> : (
        <ol className="step-chain">{process.steps.map((s, i) => <li key={s}><span className="step-number" aria-hidden="true">{i + 1}</span> {s}</li>)}</ol>
      )}
    </section>
  );
}

interface Use {
  path: string;
  name: string;
  enabled: boolean;
}

async function usesOf(id: string, signal: AbortSignal): Promise<Result<Use[]>> {
  const [kpis, rules] = await Promise.all([listKpis(signal), listRules(signal)]);
  if (!kpis.ok) {
    return kpis;
  }
  if (!rules.ok) {
    return rules;
  }
  const of = (path: string, list: readonly { id: string; name: string; enabled: boolean; process: string }[]): Use[] =>
    list.filter((x) => x.process === id).map((x) => ({ path: `/${path}/${encodeURIComponent(x.id)}`, name: x.name, enabled: x.enabled }));
  return { ok: true, value: [...of("kpis", kpis.value), ...of("rules", rules.value)] };
}

function UsedBy({ process }: { process: Process }): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll((signal) => usesOf(process.id, signal), { key: process.id, intervalMs: 60_000 });
  return (
    <section className="panel">
      <h2>{t("process.used_by")}</h2>
      <View polled={polled} isEmpty={(uses) => uses.length === 0} empty={<p className="is-faint">{t("process.unused")}</p>}>
        {(uses) => (
          <ul className="plain-list">
            {uses.map((u) => <li key={u.path}><Link href={u.path}>{u.name}</Link>{!u.enabled && <span className="tag">{t("work.disabled")}</span>}</li>)}
          </ul>
        )}
      </View>
    </section>
  );
}

function History({ process }: { process: Process }): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll((signal) => processVersions(process.id, signal), { key: `${process.id}|${process.version}`, intervalMs: 0 });
  return (
    <section className="panel">
      <h2>{t("work.versions")}</h2>
      <View polled={polled}>{(versions) => <Versions versions={versions} say={(v) => `${stepsText(v.steps, t)} · ${doneText(v, t)}`} />}</View>
    </section>
  );
}

export default function ProcessPage({ id }: { id: string }): ReactElement {
  const [isEditing, setEditing] = useState(false);
  const polled = usePoll((signal) => getProcess(id, signal), { key: id, intervalMs: 60_000 });
  const saved = (): void => {
    setEditing(false);
    polled.refresh();
  };
  return (
    <View polled={polled}>
      {(process) => (
        <>
          <Header process={process} onEdit={() => setEditing(true)} onChanged={polled.refresh} />
          <Steps process={process} />
          <div className="columns">
            <UsedBy process={process} />
            <History process={process} />
          </div>
          {isEditing && <ProcessForm process={process} onClose={() => setEditing(false)} onSaved={saved} />}
        </>
      )}
    </View>
  );
}
