// A new KPI, or a new version of one: what is measured, how it becomes one number, what is good, where and since when.

import { AutoComplete, Button, Drawer, Form, Input, InputNumber, Radio, Select } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { listDevices } from "../../api/devices";
import { serverNowMs, type Result } from "../../api/http";
import { changeKpi, createKpi, FUNCTIONS, SOURCES, WINDOWS, type Kpi } from "../../api/kpis";
import { listProcesses, type Process } from "../../api/processes";
import { listSeries, type Series } from "../../api/telemetry";
import { kpiDraft, type KpiFields } from "../../model/drafts";
import { useChange } from "../../ui/use_change";
import { usePoll } from "../../ui/use_poll";
import { ExpressionField } from "../definitions/expression_field";
import { FromField, NameFields, ScopeFields, useProcessName } from "../definitions/fields";
import { kpiSentence, metricText } from "./words";

interface Props {
  /** null: a new one. */
  kpi: Kpi | null;
  onClose: () => void;
  onSaved: (kpi: Kpi) => void;
}

const PROBE_METRICS = ["probe_up", "probe_total_ms", "probe_dns_ms", "probe_connect_ms", "probe_tls_ms", "probe_first_byte_ms", "probe_transfer_ms", "probe_status_code", "probe_certificate_days"];
// Enough devices to know the names that are in use; they are suggestions, any name can be typed.
const LOOK_AT = 3;

async function knownSeries(signal: AbortSignal): Promise<Result<Series[]>> {
  const devices = await listDevices({}, signal);
  if (!devices.ok) {
    return devices;
  }
  const seen = devices.value.filter((d) => d.data_until_unix_ms !== null).slice(0, LOOK_AT);
  const lists = await Promise.all(seen.map((d) => listSeries(d.id, signal)));
  return { ok: true, value: lists.flatMap((l) => (l.ok ? l.value : [])) };
}

function choices(names: readonly string[]): { value: string }[] {
  return [...new Set(names)].filter((n) => n !== "").sort((a, b) => a.localeCompare(b)).map((value) => ({ value }));
}

function filterChoice(typed: string, option: { value: string } | undefined): boolean {
  return option?.value.toLowerCase().includes(typed.toLowerCase()) ?? false;
}

function SourceFields({ source, processes }: { source: KpiFields["source"]; processes: readonly Process[] }): ReactElement {
  const { t } = useTranslation();
  const series = usePoll(knownSeries, { key: "known-series", intervalMs: 0 }).value ?? [];
  const process = Form.useWatch<string | undefined>("process");
  const required = [{ required: true, message: t("fleet.required") }];
  if (source === "series") {
    return (
      <Form.Item name="metric" label={t("kpi.metric")} rules={required}>
        <AutoComplete options={choices(series.filter((s) => s.labels["probe"] === undefined).map((s) => s.name))} showSearch={{ filterOption: filterChoice }} />
      </Form.Item>
    );
  }
  if (source === "probe") {
    return (
      <div className="form-row">
        <Form.Item name="metric" label={t("kpi.probe_metric")} rules={required}>
          <Select options={PROBE_METRICS.map((value) => ({ value, label: metricText(value, t) }))} />
        </Form.Item>
        <Form.Item name="probe" label={t("kpi.probe")} extra={t("kpi.probe_hint")}>
          <AutoComplete allowClear options={choices(series.map((s) => s.labels["probe"] ?? ""))} showSearch={{ filterOption: filterChoice }} />
        </Form.Item>
      </div>
    );
  }
  const steps = processes.find((p) => p.id === process)?.steps ?? [];
  return (
    <div className="form-row">
      <Form.Item name="process" label={t("kpi.process")} rules={required}>
        <Select options={processes.map((p) => ({ value: p.id, label: p.name }))} />
      </Form.Item>
      {source === "step" && (
        <Form.Item name="step" label={t("kpi.step")} extra={t("kpi.step_hint")}>
          <AutoComplete allowClear options={choices(steps)} showSearch={{ filterOption: filterChoice }} />
        </Form.Item>
      )}
    </div>
  );
}

function NumberFields({ source }: { source: KpiFields["source"] }): ReactElement {
  const { t } = useTranslation();
  const fn = Form.useWatch<KpiFields["function"] | undefined>("function");
  return (
    <>
      <div className="form-row">
        <Form.Item name="function" label={t("kpi.function")}>
          <Select options={FUNCTIONS.map((value) => ({ value, label: t(`kpi.fn_${value}`) }))} />
        </Form.Item>
        {fn === "percentile" && (
          <Form.Item name="percentile" label={t("kpi.percentile")} rules={[{ required: true, message: t("fleet.required") }]}>
            <InputNumber className="is-wide" min={0} max={100} />
          </Form.Item>
        )}
        <Form.Item name="resolution" label={t("kpi.resolution")}>
          <Select options={WINDOWS.map((value) => ({ value, label: t(`win_name.${value}`) }))} />
        </Form.Item>
      </div>
      {fn === "share" && (
        <Form.Item name="condition" label={t("kpi.condition")} rules={[{ required: true, message: t("fleet.required") }]}>
          <ExpressionField use="condition" source={source} label={t("kpi.condition")} placeholder={source === "probe" ? "value = 0" : "value > 30min"} />
        </Form.Item>
      )}
      <Form.Item name="where" label={t("kpi.where")} extra={t("kpi.where_hint")}>
        <ExpressionField use="where" source={source} label={t("kpi.where")} placeholder={source === "series" ? 'mount = "/var"' : 'type = "express"'} />
      </Form.Item>
    </>
  );
}

function Preview(): ReactElement | null {
  const { t } = useTranslation();
  const form = Form.useFormInstance<KpiFields>();
  const f = Form.useWatch<Partial<KpiFields> | undefined>([], form);
  const processName = useProcessName();
  if (f?.source === undefined || f.function === undefined) {
    return null;
  }
  const text = kpiSentence({
    source: f.source, metric: f.metric ?? "…", probe: f.probe ?? "", process: f.process === undefined ? "…" : processName(f.process), step: f.step ?? "", where: f.where ?? "", function: f.function,
    percentile: f.percentile ?? null, condition: f.condition ?? "…",
  }, t);
  return <p className="preview" role="status">{text}</p>;
}

const NEW: KpiFields = { name: "", source: "series", function: "mean", percentile: 95, resolution: "5m", good: "low", from: "now" };

function initial(kpi: Kpi): KpiFields {
  const { id: _id, ...rest } = kpi;
  return { ...rest, percentile: kpi.percentile ?? 95, good: kpi.good ?? "low", from: "now" };
}

export function KpiForm({ kpi, onClose, onSaved }: Props): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [form] = Form.useForm<KpiFields>();
  const source = Form.useWatch<KpiFields["source"] | undefined>("source", form) ?? kpi?.source ?? "series";
  const processes = usePoll(listProcesses, { key: "processes", intervalMs: 0 }).value ?? [];
  const save = (fields: KpiFields): void => {
    const draft = kpiDraft(fields, kpi, serverNowMs());
    void run(() => (kpi === null ? createKpi(draft) : changeKpi(kpi, draft)), onSaved);
  };
  return (
    <Drawer open size={600} onClose={onClose} title={kpi === null ? t("kpi.add") : t("kpi.edit", { name: kpi.name })}
      footer={
        <div className="drawer-footer">
          <Button onClick={onClose}>{t("fleet.cancel")}</Button>
          <Button type="primary" loading={isBusy} onClick={() => form.submit()}>{t("fleet.save")}</Button>
        </div>
      }>
      <Form form={form} layout="vertical" initialValues={kpi === null ? NEW : initial(kpi)} onFinish={save} requiredMark={false} scrollToFirstError>
        <NameFields isNew={kpi === null} />
        <h3 className="form-part">{t("kpi.part_what")}</h3>
        <Form.Item name="source">
          <Radio.Group aria-label={t("kpi.source")} className="sources">
            {SOURCES.map((s) => <Radio key={s} value={s}>{t(`kpi.source_${s}`)}</Radio>)}
          </Radio.Group>
        </Form.Item>
        <SourceFields source={source} processes={processes} />
        <h3 className="form-part">{t("kpi.part_number")}</h3>
        <NumberFields source={source} />
        <Preview />
        <h3 className="form-part">{t("kpi.part_good")}</h3>
        <div className="form-row">
          <Form.Item name="unit" label={t("kpi.unit")} extra={source === "step" || source === "case" ? t("kpi.unit_ms") : undefined}><Input maxLength={16} /></Form.Item>
          <Form.Item name="target" label={t("kpi.target")}><InputNumber className="is-wide" /></Form.Item>
          <Form.Item name="good" label={t("kpi.good")}>
            <Select options={(["low", "high"] as const).map((value) => ({ value, label: t(`kpi.good_${value}`) }))} />
          </Form.Item>
        </div>
        <h3 className="form-part">{t("kpi.part_where")}</h3>
        <ScopeFields />
        <FromField />
      </Form>
    </Drawer>
  );
}
