// The statement of the page: how many gaps nothing explains, what that means, and each of them.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { Missing, Unexplained } from "../../api/ledger";
import { browserZone, formatDateTime } from "../../model/time";
import { Age } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { StateIcon } from "../../ui/state_badge";
import { DeviceLink, type SiteOf } from "./device_link";
import { streamText } from "./gaps";

export function Statement({ found }: { found: Unexplained }): ReactElement {
  const { t, i18n } = useTranslation();
  const { gaps, batches, unanswered, since_unix_ms } = found.unexplained;
  const isWell = gaps === 0;
  const zone = browserZone();
  return (
    <section className={`statement ${isWell ? "is-up" : "is-down"}`} aria-label={t("quality.unexplained")}>
      <p className="statement-name"><StateIcon state={isWell ? "up" : "down"} /> {t("quality.unexplained")}</p>
      <p className="statement-number">{gaps.toLocaleString(i18n.language)}</p>
      <div className="statement-text">
        <p>{t(isWell ? "quality.unexplained_none" : "quality.unexplained_some")}</p>
        {!isWell && (
          <p>
            {batches > 0 && <>{t("quality.unexplained_batches", { count: batches })} </>}
            {unanswered > 0 && <>{t("quality.unexplained_asked", { count: unanswered })} </>}
            {t("quality.unexplained_since")} <Age unixMs={since_unix_ms} zone={zone} />
          </p>
        )}
        <p className="is-faint">{t("quality.unexplained_means")}</p>
      </div>
    </section>
  );
}

function missingKey(m: Missing): string {
  return [m.device, m.stream, m.what, m.seq_first, m.from_unix_ms, m.since_unix_ms].join(":");
}

export function MissingTable({ found, siteOf }: { found: Unexplained; siteOf: SiteOf }): ReactElement | null {
  const { t } = useTranslation();
  const zone = browserZone();
  const when = (ms: number | null): string => (ms === null ? t("time.unknown") : formatDateTime(ms, zone));
  if (found.items.length === 0) {
    return null;
  }
  const columns: Column<Missing>[] = [
    { key: "device", title: t("quality.device"), render: (m) => <DeviceLink device={m.device} siteOf={siteOf} /> },
    { key: "what", isWide: true, title: t("quality.what"), render: (m) => t(`quality.what_${m.what}`) },
    { key: "stream", title: t("quality.stream"), width: 100, render: (m) => streamText(m.stream, t) },
    { key: "seq", title: t("quality.sequence"), width: 120, align: "right", render: (m) => (m.seq_first === null ? "–" : m.seq_first === m.seq_last ? String(m.seq_first) : `${m.seq_first}–${m.seq_last ?? ""}`) },
    { key: "from", title: t("quality.from"), width: 180, render: (m) => when(m.from_unix_ms) },
    { key: "to", title: t("quality.to"), width: 180, render: (m) => when(m.to_unix_ms) },
    { key: "since", title: t("quality.known"), width: 140, render: (m) => <Age unixMs={m.since_unix_ms} zone={zone} /> },
  ];
  return (
    <section>
      <h2>{t("quality.missing")}</h2>
      <DataTable keyOf={missingKey} columns={columns} rows={found.items} minWidth={1040} />
    </section>
  );
}
