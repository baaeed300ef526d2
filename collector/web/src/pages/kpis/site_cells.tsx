// One site of a KPI: its chart; and, chosen, its windows as a table with who gave what to each.

import { Button, Drawer, Tooltip } from "antd";
import type { TFunction } from "i18next";
import { useMemo, useRef, useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { serverNowMs } from "../../api/http";
import { cellParts, listCells, type Cell, type Kpi, type Part, type Parts, type Window } from "../../api/kpis";
import type { Site } from "../../api/sites";
import { CellChart } from "../../chart/cell_chart";
import { useSeen } from "../../chart/use_seen";
import { formatAmount, formatShare } from "../../model/amounts";
import { blankKind, lookOf, meetsTarget, SPANS_MS, WINDOW_MS } from "../../model/cells";
import type { ShownCells as Shown } from "../../model/kpi_view";
import { formatDateTime, formatTime, validZone } from "../../model/time";
import { durationText } from "../../ui/age";
import { DataTable, type Column } from "../../ui/data_table";
import { Doubt } from "../../ui/doubt";
import { StateIcon } from "../../ui/state_badge";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { targetText } from "./words";

interface Props {
  kpi: Kpi;
  site: Site;
  shown: Shown;
}

interface Range {
  fromMs: number;
  toMs: number;
}

function rangeOf({ window, span }: Shown): Range {
  const step = WINDOW_MS[window];
  const toMs = Math.ceil(serverNowMs() / step) * step;
  return { fromMs: toMs - SPANS_MS[window][span], toMs };
}

function useCells({ kpi, site, shown }: Props, enabled: boolean): ReturnType<typeof usePoll<{ asked: Range; cells: Cell[] }>> {
  return usePoll(
    async (signal) => {
      const asked = rangeOf(shown);
      const res = await listCells(kpi.id, { window: shown.window, site: site.id, ...asked }, signal);
      return res.ok ? { ok: true as const, value: { asked, cells: res.value.items } } : res;
    },
    { key: `${kpi.id}|${kpi.version}|${site.id}|${shown.window}|${shown.span}`, intervalMs: shown.window === "1m" ? 15_000 : 60_000, enabled },
  );
}

export function targetLine(kpi: Kpi, t: TFunction): { value: number; name: string } | null {
  return kpi.target === null ? null : { value: kpi.target, name: t("kpi.target_line", { target: targetText(kpi, t) }) };
}

export function SiteCard(props: Props & { onChoose: () => void }): ReactElement {
  const { kpi, site, onChoose } = props;
  const { t } = useTranslation();
  const card = useRef<HTMLElement>(null);
  const isSeen = useSeen(card);
  const polled = useCells(props, isSeen);
  return (
    <section ref={card} className="chart-card" aria-label={site.name}>
      <h3><button type="button" className="link-button" onClick={onChoose}>{site.name}</button></h3>
      {!isSeen && polled.value === undefined ? <div className="chart-wait" /> : (
        <View polled={polled}>
          {({ asked, cells }) => <CellChart cells={cells} {...asked} zone={validZone(site.zone)} unit={kpi.unit} title={site.name} line={targetLine(kpi, t)} isSmall />}
        </View>
      )}
    </section>
  );
}

function PartsTable({ parts, kpi }: { parts: Parts; kpi: Kpi }): ReactElement {
  const { t } = useTranslation();
  const columns: Column<Part>[] = [
    { key: "device", title: t("kpi.device"), render: (p) => p.device },
    { key: "value", title: t("kpi.value"), width: 100, align: "right", render: (p) => formatAmount(p.value, kpi.unit) },
    { key: "n", title: t("kpi.values"), width: 80, align: "right", render: (p) => p.n },
    {
      key: "missing", title: t("kpi.missing"), width: 180,
      render: (p) => {
        const missing = Math.max(0, p.expected_ms - p.covered_ms);
        return missing === 0 ? <span className="is-good"><StateIcon state="up" /> {t("kpi.nothing_missing")}</span> : (
          <span>
            <StateIcon state="unknown" /> {durationText(missing, t)}
            {p.gone_ms > 0 && <span className="is-faint"> {t("kpi.gone", { span: durationText(p.gone_ms, t) })}</span>}
          </span>
        );
      },
    },
  ];
  return <DataTable keyOf={(p) => p.device} columns={columns} rows={parts.items} minWidth={460} />;
}

function PartsDrawer({ kpi, site, window, cell, onClose }: { kpi: Kpi; site: Site; window: Window; cell: Cell; onClose: () => void }): ReactElement {
  const { t } = useTranslation();
  const zone = validZone(site.zone);
  const polled = usePoll((signal) => cellParts(kpi.id, window, site.id, cell.begin_unix_ms, signal), { key: `${site.id}|${cell.begin_unix_ms}`, intervalMs: 0 });
  return (
    <Drawer open size={620} onClose={onClose} title={t("kpi.parts_title", { time: formatDateTime(cell.begin_unix_ms, zone) })}>
      <p className="list-note">{t("kpi.parts_text")}</p>
      <View polled={polled} isEmpty={(p) => p.items.length === 0} empty={<Empty title={t("kpi.no_parts")} />}>
        {(parts) => (
          <>
            <PartsTable parts={parts} kpi={kpi} />
            {parts.revisions.length > 0 && (
              <>
                <h3 className="form-part">{t("kpi.revisions")}</h3>
                <ol className="versions">
                  {parts.revisions.map((r) => (
                    <li key={r.n} className="version">
                      {t("kpi.revision", { time: formatDateTime(r.revised_unix_ms, zone), value: formatAmount(r.value, kpi.unit), share: formatShare(r.completeness) })}
                      <span className="is-faint"> {r.why}</span>
                    </li>
                  ))}
                </ol>
              </>
            )}
          </>
        )}
      </View>
    </Drawer>
  );
}

function CellTable({ kpi, site, shown, cells }: Props & { cells: readonly Cell[] }): ReactElement {
  const { t } = useTranslation();
  const zone = validZone(site.zone);
  const [open, setOpen] = useState<Cell | null>(null);
  const rows = useMemo(() => [...cells].sort((a, b) => b.begin_unix_ms - a.begin_unix_ms), [cells]);
  const long = WINDOW_MS[shown.window] >= 86_400_000;
  const columns: Column<Cell>[] = [
    { key: "time", title: t("kpi.window"), render: (c) => <span className="is-tabular">{formatDateTime(c.begin_unix_ms, zone)} – {long ? formatDateTime(c.end_unix_ms, zone) : formatTime(c.end_unix_ms, zone)}<Doubt ms={c.clock_doubt_ms} /></span> },
    {
      key: "value", title: t("kpi.value"), width: 130, align: "right",
      render: (c) => (c.value === null
        ? <span className="is-faint">{{ unknown: t("work.unknown"), quiet: t("kpi.none_happened"), means: t("cell.means") }[blankKind(c)]}</span>
        : <span className={meetsTarget(c.value, kpi.target, kpi.good) === false ? "is-bad is-tabular" : "is-tabular"}>{formatAmount(c.value, kpi.unit)}</span>),
    },
    { key: "n", title: t("kpi.values"), width: 90, align: "right", render: (c) => c.n },
    { key: "complete", title: t("cell.completeness"), width: 110, align: "right", render: (c) => formatShare(c.completeness) },
    {
      key: "state", title: t("work.state"), width: 230,
      render: (c) => <span>{t(c.state === "final_incomplete" ? "cell.state_final_incomplete" : `cell.state_${lookOf(c)}`)}{c.revisions > 0 && <span className="tag is-apart">{t("kpi.revised", { count: c.revisions })}</span>}{c.thinned && <Tooltip title={t("cell.thinned_help")} trigger={["hover", "focus"]}><span className="tag is-apart" tabIndex={0}>{t("cell.thinned")}</span></Tooltip>}</span>,
    },
    { key: "parts", title: t("kpi.who"), width: 120, render: (c) => <Button size="small" onClick={() => setOpen(c)}>{t(c.completeness < 1 ? "kpi.who_missing" : "kpi.who_gave")}</Button> },
  ];
  return (
    <>
      <DataTable keyOf={(c) => String(c.begin_unix_ms)} columns={columns} rows={rows} minWidth={860} />
      {open !== null && <PartsDrawer kpi={kpi} site={site} window={shown.window} cell={open} onClose={() => setOpen(null)} />}
    </>
  );
}

export function SiteDetail(props: Props): ReactElement {
  const { kpi, site } = props;
  const { t } = useTranslation();
  const polled = useCells(props, true);
  return (
    <View polled={polled} isEmpty={(v) => v.cells.length === 0} empty={<Empty title={t("kpi.no_cells")} />}>
      {({ asked, cells }) => (
        <>
          <section className="panel">
            <h2>{site.name}</h2>
            <CellChart cells={cells} {...asked} zone={validZone(site.zone)} unit={kpi.unit} title={site.name} line={targetLine(kpi, t)} />
          </section>
          <section>
            <h2>{t("kpi.table")}</h2>
            <CellTable {...props} cells={cells} />
          </section>
        </>
      )}
    </View>
  );
}
