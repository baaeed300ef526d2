// One KPI: what it measures, its windows at every site as charts, one site with its table, and its versions.

import "./kpis.css";

import { EditOutlined } from "@ant-design/icons";
import { Button, Segmented, Select } from "antd";
import { useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link, useSearchParams } from "wouter";

import { changeKpi, getKpi, kpiVersions, type Kpi, type Window } from "../../api/kpis";
import type { Site } from "../../api/sites";
import { CommonKey } from "../../chart/cell_chart";
import { SPANS_MS, windowsFrom } from "../../model/cells";
import { inScope, readShown, writeShown, type ShownCells as Shown } from "../../model/kpi_view";
import { spanText } from "../../ui/age";
import { useSession } from "../../ui/session";
import { usePoll } from "../../ui/use_poll";
import { Empty, View } from "../../ui/view";
import { useProcessName, useSites } from "../definitions/fields";
import { OnOff, scopeText, Versions } from "../definitions/head";
import { KpiForm } from "./kpi_form";
import { SiteCard, SiteDetail, targetLine } from "./site_cells";
import { kpiSentence, targetText } from "./words";

function Header({ kpi, onEdit, onChanged }: { kpi: Kpi; onEdit: () => void; onChanged: () => void }): ReactElement {
  const processName = useProcessName();
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  return (
    <>
      <p className="crumbs"><Link href="/kpis">{t("nav.kpis")}</Link> <span aria-hidden="true">/</span> {kpi.id}</p>
      <div className="title-row is-top">
        <div className="site-title">
          <h1>{kpi.name}</h1>
          <OnOff item={kpi} change={changeKpi} onChanged={onChanged} />
        </div>
        {isAdministrator && <Button icon={<EditOutlined />} onClick={onEdit}>{t("work.edit")}</Button>}
      </div>
      <p className="says is-lead">{kpiSentence({ ...kpi, process: processName(kpi.process) }, t)}</p>
      <dl className="facts is-inline">
        <div><dt>{t("kpi.target")}</dt><dd>{targetText(kpi, t) || "–"}</dd></div>
        <div><dt>{t("kpi.resolution")}</dt><dd>{t(`win_name.${kpi.resolution}`)}</dd></div>
        <div><dt>{t("work.scope")}</dt><dd>{scopeText(kpi, t)}</dd></div>
        <div><dt>{t("work.version")}</dt><dd>{kpi.version}</dd></div>
      </dl>
    </>
  );
}

function Picker({ kpi, sites, shown, site, onShow }: { kpi: Kpi; sites: readonly Site[]; shown: Shown; site: string | null; onShow: (shown: Shown, site: string | null) => void }): ReactElement {
  const { t } = useTranslation();
  const windows = windowsFrom(kpi.resolution).map((value) => ({ value, label: t(`win.${value}`) }));
  const spans = ([0, 1, 2] as const).map((value) => ({ value, label: spanText(SPANS_MS[shown.window][value], t) }));
  return (
    <div className="filters">
      <span className="switch">{t("kpi.window")} <Segmented<Window> aria-label={t("kpi.window")} options={windows} value={shown.window} onChange={(window) => onShow({ ...shown, window }, site)} /></span>
      <span className="switch">{t("site.range")} <Segmented<0 | 1 | 2> aria-label={t("site.range")} options={spans} value={shown.span} onChange={(span) => onShow({ ...shown, span }, site)} /></span>
      <Select className="filter-select" allowClear showSearch={{ optionFilterProp: "label" }} aria-label={t("work.site")} placeholder={t("work.all_sites")} value={site}
        options={sites.map((s) => ({ value: s.id, label: s.name }))} onChange={(v: string | undefined) => onShow(shown, v ?? null)} />
    </div>
  );
}

function Values({ kpi }: { kpi: Kpi }): ReactElement {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const { shown, site } = readShown(params, kpi.resolution);
  const all = useSites().filter((s) => inScope(kpi, s));
  const chosen = all.find((s) => s.id === site);
  const onShow = (next: Shown, nextSite: string | null): void => setParams(writeShown(next, nextSite), { replace: true });
  return (
    <>
      <Picker kpi={kpi} sites={all} shown={shown} site={chosen?.id ?? null} onShow={onShow} />
      <p className="list-note">{t("work.zone_of_site")}</p>
      {chosen !== undefined ? <SiteDetail kpi={kpi} site={chosen} shown={shown} />
        : all.length === 0 ? <Empty title={t("kpi.no_sites")} />
          : (
            <>
              <CommonKey line={targetLine(kpi, t)} />
              <div className="charts">{all.map((s) => <SiteCard key={s.id} kpi={kpi} site={s} shown={shown} onChoose={() => onShow(shown, s.id)} />)}</div>
            </>
          )}
    </>
  );
}

function History({ kpi }: { kpi: Kpi }): ReactElement {
  const { t } = useTranslation();
  const processName = useProcessName();
  const polled = usePoll((signal) => kpiVersions(kpi.id, signal), { key: `${kpi.id}|${kpi.version}`, intervalMs: 0 });
  return (
    <section className="panel">
      <h2>{t("work.versions")}</h2>
      <View polled={polled}>
        {(versions) => <Versions versions={versions} say={(v) => [kpiSentence({ ...v, process: processName(v.process) }, t), targetText(v, t), scopeText(v, t)].filter((x) => x !== "").join(" · ")} />}
      </View>
    </section>
  );
}

export default function KpiPage({ id }: { id: string }): ReactElement {
  const [isEditing, setEditing] = useState(false);
  const polled = usePoll((signal) => getKpi(id, signal), { key: id, intervalMs: 60_000 });
  const saved = (): void => {
    setEditing(false);
    polled.refresh();
  };
  return (
    <View polled={polled}>
      {(kpi) => (
        <>
          <Header kpi={kpi} onEdit={() => setEditing(true)} onChanged={polled.refresh} />
          <Values kpi={kpi} />
          <History kpi={kpi} />
          {isEditing && <KpiForm kpi={kpi} onClose={() => setEditing(false)} onSaved={saved} />}
        </>
      )}
    </View>
  );
}
