// What is stored, for how long, and whether what is older is being packed.

import "./storage.css";

import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { getStorage, type Storage, type StoredLevel } from "../../api/storage";
import { formatShare } from "../../model/amounts";
import { browserZone, formatDateTime } from "../../model/time";
import { formatValue } from "../../model/units";
import { durationText } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";

const LEVELS = ["raw", "five_minutes", "hours"] as const;
const DAY_MS = 86_400_000;

interface Row {
  key: (typeof LEVELS)[number] | "database";
  bytes: number;
  level: StoredLevel | null;
}

function rowsOf(s: Storage): Row[] {
  return [{ key: "database", bytes: s.database.bytes, level: null }, ...LEVELS.map((key): Row => ({ key, bytes: s[key].bytes, level: s[key] }))];
}

/** In days as it was set; long ones also as people say them. */
export function keepText(ms: number | null, t: TFunction): string {
  if (ms === null) {
    return t("storage.for_good");
  }
  const count = Math.round(ms / DAY_MS);
  const days = t("storage.days", { count });
  const months = Math.round(count / 30.44);
  if (months < 3) {
    return days;
  }
  return months % 12 === 0 ? t("storage.about_years", { days, count: months / 12 }) : t("storage.about_months", { days, count: months });
}

function useKeep(): (ms: number | null) => string {
  const { t } = useTranslation();
  return (ms) => keepText(ms, t);
}

function Bar({ rows, total }: { rows: Row[]; total: number }): ReactElement {
  const { t } = useTranslation();
  const words = rows.map((r) => `${t(`storage.${r.key}`)} ${formatValue(r.bytes, "bytes")}`).join(t("work.and"));
  const label = t("storage.chart", { parts: words });
  return (
    <div className="storage-bar" role="img" aria-label={label} title={label}>
      {rows.map((r) => <span key={r.key} className={`storage-part is-${r.key}`} style={{ width: `${(100 * r.bytes) / total}%` }} />)}
    </div>
  );
}

function Levels({ storage }: { storage: Storage }): ReactElement {
  const { t } = useTranslation();
  const keep = useKeep();
  const zone = browserZone();
  const rows = rowsOf(storage);
  const total = Math.max(1, rows.reduce((sum, r) => sum + r.bytes, 0));
  const span = (level: StoredLevel | null): string =>
    level === null ? "–" : level.from_unix_ms === null || level.to_unix_ms === null ? t("storage.nothing_yet")
      : `${formatDateTime(level.from_unix_ms, zone)} – ${formatDateTime(level.to_unix_ms, zone)}`;
  const columns: Column<Row>[] = [
    { key: "what", title: t("storage.level"), render: (r) => <span><i className={`swatch storage-part is-${r.key}`} aria-hidden="true" /> {t(`storage.${r.key}`)}</span> },
    {
      key: "size", title: t("storage.size"), width: 200,
      render: (r) => (
        <span>
          {formatValue(r.bytes, "bytes")}
          {r.level !== null && r.level.files > 0 && <span className="is-faint"> · {t("storage.files", { count: r.level.files })}</span>}
        </span>
      ),
    },
    { key: "share", title: t("storage.share"), width: 90, align: "right", render: (r) => formatShare(r.bytes / total) },
    {
      key: "per", title: t("storage.per_sample"), width: 120, align: "right",
      render: (r) => {
        const samples = r.level?.samples ?? 0;
        return samples === 0 ? "–" : `${(r.bytes / samples).toFixed(2)} B`;
      },
    },
    { key: "span", title: t("storage.span"), isWide: true, render: (r) => <span className="is-tabular">{span(r.level)}</span> },
    { key: "keep", title: t("storage.keep"), width: 190, render: (r) => (r.level === null ? "–" : keep(r.level.keep_ms)) },
  ];
  return (
    <>
      <Bar rows={rows} total={total} />
      <DataTable keyOf={(r) => r.key} columns={columns} rows={rows} minWidth={900} />
    </>
  );
}

function Packing({ storage }: { storage: Storage }): ReactElement {
  const { t, i18n } = useTranslation();
  const keep = useKeep();
  const { compaction: c, database } = storage;
  const n = (value: number): string => value.toLocaleString(i18n.language);
  const checked = storage.damaged.checked_unix_ms === null ? t("storage.not_checked") : formatDateTime(storage.damaged.checked_unix_ms, browserZone());
  const until = c.packed_until_unix_ms === null ? t("storage.nothing_yet") : formatDateTime(c.packed_until_unix_ms, browserZone());
  return (
    <>
      <dl className="facts is-inline">
        <div><dt>{t("storage.state")}</dt><dd className={c.state === "failing" ? "is-bad" : undefined}>{t(`storage.state_${c.state}`)}</dd></div>
        <div><dt>{t("storage.until")}</dt><dd>{until}</dd></div>
        <div><dt>{t("storage.waiting")}</dt><dd>{database.waiting_batches === null ? "–" : n(database.waiting_batches)}</dd></div>
        <div><dt>{t("storage.due")}</dt><dd>{n(c.due_hours)}</dd></div>
        <div><dt>{t("storage.late")}</dt><dd>{n(c.late_hours)}</dd></div>
        <div><dt>{t("storage.deleted")}</dt><dd>{n(c.files_deleted)}</dd></div>
        <div><dt>{t("storage.given_back")}</dt><dd>{formatValue(c.bytes_given_back, "bytes")}</dd></div>
        <div><dt>{t("storage.events_keep")}</dt><dd>{keep(storage.events_keep_ms)}</dd></div>
        <div><dt>{t("storage.checked")}</dt><dd>{checked}</dd></div>
        <div><dt>{t("storage.disk_free")}</dt><dd>{formatValue(storage.disk_free_bytes, "bytes")}</dd></div>
      </dl>
      {c.state === "failing" && <p className="notice is-down">{t("storage.failing", { why: c.why ?? "" })}</p>}
    </>
  );
}

const DAMAGED_SHOWN = 5;

export function Damaged({ damaged }: { damaged: Storage["damaged"] }): ReactElement | null {
  const { t } = useTranslation();
  if (damaged.count === 0) return null;
  const shown = damaged.items.slice(0, DAMAGED_SHOWN).map((d) => t("storage.damaged_item", { file: d.file, time: formatDateTime(d.hour_unix_ms, browserZone()) }));
  const list = shown.join("; ") + (damaged.count > shown.length ? " …" : "");
  return <p className="notice is-down">{t("storage.damaged", { count: damaged.count, list })}</p>;
}

/** The clock of the centre's machine is not believed. */
export function Held({ ms }: { ms: number | null }): ReactElement | null {
  const { t } = useTranslation();
  return ms === null ? null : <p className="notice is-late">{t("storage.age_held", { span: durationText(ms, t) })}</p>;
}

export function StoragePanel(): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll(getStorage, { key: "storage", intervalMs: 30_000 });
  return (
    <section className="panel">
      <h2>{t("storage.title")}</h2>
      <p className="list-note">{t("storage.text")}</p>
      <View polled={polled}>
        {(storage) => (
          <>
            <Packing storage={storage} />
            <Held ms={storage.age_held_ms} />
            <Damaged damaged={storage.damaged} />
            <Levels storage={storage} />
            <p className="list-note">{t("storage.keep_text")}</p>
          </>
        )}
      </View>
    </section>
  );
}
