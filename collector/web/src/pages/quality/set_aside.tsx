// What arrived and could not be used.  Topics and details come from outside and are shown as text.

import { Button } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { requeue, type Requeue, type SetAside, type SetAsideItem } from "../../api/ledger";
import { en } from "../../i18n/en";
import { browserZone } from "../../model/time";
import { formatValue } from "../../model/units";
import { Age } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { useSession } from "../../ui/session";
import { useChange } from "../../ui/use_change";
import { Nothing } from "../../ui/view";

type Reason = keyof typeof en.set_aside_reason;

function known(reason: string): Reason {
  return Object.hasOwn(en.set_aside_reason, reason) ? (reason as Reason) : "other";
}

interface Props {
  list: SetAside;
  state: Requeue;
  onTried: () => void;
}

/** How the last try went, or goes. */
function LastTry({ state }: { state: Requeue }): ReactElement | null {
  const { t } = useTranslation();
  const zone = browserZone();
  if (state.begun_unix_ms === null) {
    return null;
  }
  return (
    <p className="list-note" role="status">
      {t(state.running ? "quality.trying" : "quality.tried_last", { tried: state.tried, taken: state.taken, kept: state.kept })} <Age unixMs={state.ended_unix_ms ?? state.begun_unix_ms} zone={zone} />
    </p>
  );
}

export function SetAsideList({ list, state, onTried }: Props): ReactElement {
  const { t } = useTranslation();
  const zone = browserZone();
  const { isAdministrator } = useSession();
  const change = useChange();
  const tryAgain = (ids?: string[]): void => {
    void change.run(() => requeue(ids), onTried, t("quality.try_begun"));
  };
  if (list.items.length === 0) {
    return <><Nothing title={t("quality.no_set_aside")} /><LastTry state={state} /></>;
  }
  const columns: Column<SetAsideItem>[] = [
    { key: "reason", title: t("quality.reason"), width: 150, render: (s) => <span className="reason">{t(`set_aside_reason.${known(s.reason)}`)}</span> },
    ...(isAdministrator
      ? [{
          key: "try", title: t("quality.try_title"), width: 90,
          render: (s: SetAsideItem) => (s.kept ? <Button size="small" disabled={change.isBusy || state.running} onClick={() => tryAgain([s.id])} aria-label={t("quality.try_message", { id: s.id })}>{t("quality.try")}</Button> : t("quality.not_kept")),
        }]
      : []),
    { key: "arrived", title: t("quality.arrived"), width: 120, render: (s) => <Age unixMs={s.arrived_unix_ms} zone={zone} /> },
    { key: "device", title: t("quality.device"), width: 140, render: (s) => s.device ?? "–" },
    { key: "topic", isWide: true, title: t("quality.topic"), render: (s) => <code className="is-broken">{s.topic}</code> },
    { key: "detail", isWide: true, title: t("quality.detail"), render: (s) => <span className="is-broken">{s.detail}</span> },
    { key: "repeats", title: t("quality.repeats"), width: 90, align: "right", render: (s) => (s.repeats === 0 ? "–" : String(s.repeats)) },
    { key: "tried", title: t("quality.tried"), width: 120, render: (s) => <Age unixMs={s.tried_unix_ms} zone={zone} none="never" /> },
    { key: "bytes", title: t("quality.bytes"), width: 90, align: "right", render: (s) => formatValue(s.bytes, "bytes") },
  ];
  return (
    <>
      {isAdministrator && <p><Button disabled={change.isBusy || state.running} onClick={() => tryAgain()}>{t("quality.try_all")}</Button></p>}
      <LastTry state={state} />
      <DataTable keyOf={(row) => row.id} columns={columns} rows={list.items} minWidth={1180} />
      {list.next !== null && <p className="list-note">{t("quality.more", { count: list.items.length })}</p>}
    </>
  );
}
