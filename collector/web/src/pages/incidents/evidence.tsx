// The evidence: a threshold's KPI around the incident, with threshold and span; a case's attributes.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { serverNowMs } from "../../api/http";
import type { CaseFacts, IncidentDetail, ThresholdFacts } from "../../api/incidents";
import { listCells, WINDOWS } from "../../api/kpis";
import { CellChart } from "../../chart/cell_chart";
import { formatAmount } from "../../model/amounts";
import { WINDOW_MS } from "../../model/cells";
import { chartRange, isLive } from "../../model/incidents";
import { formatTime } from "../../model/time";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";
import { Attributes } from "../cases/attributes";
import { opText, windowText } from "./cause";

function Windows({ facts, zone }: { facts: ThresholdFacts; zone: string }): ReactElement | null {
  const { t } = useTranslation();
  if (facts.windows.length === 0) {
    return null;
  }
  return (
    <div className="evidence-windows">
      <h3>{t("incident.windows")}</h3>
      <ol>
        {facts.windows.map((w) => (
          <li key={w.begin_unix_ms}>
            <span className="is-tabular is-faint">{formatTime(w.begin_unix_ms, zone)} – {formatTime(w.end_unix_ms, zone)}</span>
            <strong className="is-tabular">{formatAmount(w.value, facts.unit)}</strong>
          </li>
        ))}
      </ol>
    </div>
  );
}

export function ThresholdEvidence({ incident, facts }: { incident: IncidentDetail; facts: ThresholdFacts }): ReactElement {
  const { t } = useTranslation();
  const window = WINDOWS.find((w) => w === facts.window) ?? "1m";
  const windowMs = WINDOW_MS[window];
  const range = (): { fromMs: number; toMs: number } => {
    const now = serverNowMs();
    return chartRange(incident.begin_unix_ms, incident.end_unix_ms ?? now, windowMs, now);
  };
  const polled = usePoll(
    async (signal) => {
      const asked = range();
      const res = await listCells(facts.kpi, { window, site: incident.site, ...asked }, signal);
      return res.ok ? { ok: true as const, value: { asked, cells: res.value } } : res;
    },
    { key: `${facts.kpi}|${incident.begin_unix_ms}|${incident.end_unix_ms ?? ""}`, intervalMs: isLive(incident) ? 15_000 : 0 },
  );
  const name = facts.kpi_name || facts.kpi;
  return (
    <div className="evidence">
      <h3><Link href={`/kpis/${encodeURIComponent(facts.kpi)}?window=${window}&site=${encodeURIComponent(incident.site)}`}>{name}</Link> <span className="is-faint">{t("work.per", { window: windowText(window, t) })}</span></h3>
      <View polled={polled}>
        {({ asked, cells }) => (
          <CellChart cells={cells.items} {...asked} zone={incident.zone} unit={facts.unit || cells.unit} title={name}
            line={{ value: facts.threshold, name: t("incident.threshold", { op: opText(facts.op, t), value: formatAmount(facts.threshold, facts.unit) }) }}
            span={{ fromMs: incident.begin_unix_ms, toMs: incident.end_unix_ms ?? Math.max(incident.last_true_unix_ms, incident.begin_unix_ms), name: t("incident.span_shaded") }} />
        )}
      </View>
      <Windows facts={facts} zone={incident.zone} />
    </div>
  );
}

export function CaseEvidence({ incident, facts }: { incident: IncidentDetail; facts: CaseFacts }): ReactElement {
  const { t } = useTranslation();
  return (
    <div className="evidence">
      {incident.case_no !== null && <p><Link href={`/cases/${incident.case_no}`} className="button-link">{t("incident.to_case", { case: facts.case })}</Link></p>}
      <Attributes attrs={facts.attrs} />
    </div>
  );
}
