// What arrived and could not be used.  Topics and details come from outside and are shown as text.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { SetAside, SetAsideItem } from "../../api/ledger";
import { en } from "../../i18n/en";
import { browserZone } from "../../model/time";
import { formatValue } from "../../model/units";
import { Age } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { Empty } from "../../ui/view";

type Reason = keyof typeof en.set_aside_reason;

function known(reason: string): Reason {
  return Object.hasOwn(en.set_aside_reason, reason) ? (reason as Reason) : "other";
}

export function SetAsideList({ list }: { list: SetAside }): ReactElement {
  const { t } = useTranslation();
  const zone = browserZone();
  if (list.items.length === 0) {
    return <Empty title={t("quality.no_set_aside")} />;
  }
  const columns: Column<SetAsideItem>[] = [
    { key: "reason", title: t("quality.reason"), width: 200, render: (s) => <span className="reason">{t(`set_aside_reason.${known(s.reason)}`)}</span> },
    { key: "arrived", title: t("quality.arrived"), width: 140, render: (s) => <Age unixMs={s.arrived_unix_ms} zone={zone} /> },
    { key: "device", title: t("quality.device"), width: 180, render: (s) => s.device ?? "–" },
    { key: "topic", isWide: true, title: t("quality.topic"), render: (s) => <code className="is-broken">{s.topic}</code> },
    { key: "detail", isWide: true, title: t("quality.detail"), render: (s) => <span className="is-broken">{s.detail}</span> },
    { key: "bytes", title: t("quality.bytes"), width: 110, align: "right", render: (s) => formatValue(s.bytes, "bytes") },
  ];
  return (
    <>
      <DataTable keyOf={(row) => row.id} columns={columns} rows={list.items} minWidth={980} />
      {list.next !== null && <p className="list-note">{t("quality.more", { count: list.items.length })}</p>}
    </>
  );
}
