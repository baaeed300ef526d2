// A new rule, or a new version of one, written as the sentence that it is.

import { Button, Drawer, Form, InputNumber, Radio, Select, Switch } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { serverNowMs } from "../../api/http";
import type { Kpi } from "../../api/kpis";
import { changeRule, createRule, OPS, RULE_KINDS, SEVERITIES, type Rule } from "../../api/rules";
import { windowsFrom } from "../../model/cells";
import { ruleDraft, type RuleFields } from "../../model/drafts";
import { useChange } from "../../ui/use_change";
import { ExpressionField } from "../definitions/expression_field";
import { FromField, NameFields, ScopeFields } from "../definitions/fields";
import { useNames } from "./use_names";
import { ruleSentence, type Names } from "./words";

interface Props {
  /** null: a new one. */
  rule: Rule | null;
  onClose: () => void;
  onSaved: (rule: Rule) => void;
}

function ThresholdFields({ kpis }: { kpis: readonly Kpi[] }): ReactElement {
  const { t } = useTranslation();
  const required = [{ required: true, message: t("fleet.required") }];
  const form = Form.useFormInstance<RuleFields>();
  const id = Form.useWatch<string | undefined>("kpi", form);
  const kpi = kpis.find((k) => k.id === id);
  const windows = windowsFrom(kpi?.resolution ?? "1m");
  const fit = (next: string): void => {
    const chosen = kpis.find((k) => k.id === next);
    const now = form.getFieldValue("window") as string | undefined;
    if (chosen !== undefined && !windowsFrom(chosen.resolution).some((w) => w === now)) {
      form.setFieldValue("window", chosen.resolution);
    }
  };
  return (
    <>
      <Form.Item name="kpi" label={t("rule.kpi")} rules={required}>
        <Select showSearch={{ optionFilterProp: "label" }} options={kpis.map((k) => ({ value: k.id, label: k.name }))} onChange={fit} />
      </Form.Item>
      <div className="form-row">
        <Form.Item name="window" label={t("rule.window")} rules={required}><Select options={windows.map((value) => ({ value, label: t(`win_name.${value}`) }))} /></Form.Item>
        <Form.Item name="op" label={t("rule.op")}><Select options={OPS.map((value) => ({ value, label: t(`op.${value}`) }))} /></Form.Item>
        <Form.Item name="value" label={t("rule.value")} rules={required}><InputNumber className="is-wide" suffix={kpi?.unit ?? ""} /></Form.Item>
        <Form.Item name="for" label={t("rule.for")} rules={required}><InputNumber className="is-wide" min={1} max={1000} precision={0} /></Form.Item>
      </div>
      <div className="form-row">
        <Form.Item name="completeness_pct" label={t("rule.completeness")} extra={t("rule.completeness_hint")} rules={required}><InputNumber className="is-wide" min={0} max={100} /></Form.Item>
        <Form.Item name="wait" label={t("rule.wait")} rules={required}><InputNumber className="is-wide" min={0} max={1000} precision={0} /></Form.Item>
      </div>
    </>
  );
}

function CaseFields({ names }: { names: Names }): ReactElement {
  const { t } = useTranslation();
  const required = [{ required: true, message: t("fleet.required") }];
  return (
    <>
      <div className="form-row">
        <Form.Item name="process" label={t("rule.process")} rules={required}><Select options={[...names.process].map(([value, label]) => ({ value, label }))} /></Form.Item>
        <Form.Item name="limit_min" label={t("rule.limit_min")} rules={required}><InputNumber className="is-wide" min={0.1} /></Form.Item>
      </div>
      <Form.Item name="where" label={t("rule.case_where")} extra={t("rule.case_where_hint")}>
        <ExpressionField use="open_case" source={null} label={t("rule.case_where")} placeholder={'status <> "completed"'} />
      </Form.Item>
    </>
  );
}

function SilenceFields(): ReactElement {
  const { t } = useTranslation();
  return (
    <Form.Item name="after_min" label={t("rule.after_min")} extra={t("rule.no_data_hint")} rules={[{ required: true, message: t("fleet.required") }]}>
      <InputNumber className="is-wide" min={1} />
    </Form.Item>
  );
}

function Preview({ names }: { names: Names }): ReactElement | null {
  const { t } = useTranslation();
  const f = Form.useWatch<Partial<RuleFields> | undefined>([], Form.useFormInstance<RuleFields>());
  if (f?.kind === undefined) {
    return null;
  }
  const said = {
    kind: f.kind, kpi: f.kpi ?? "…", window: (f.window ?? null) as Rule["window"], op: f.op ?? "…", value: f.value ?? null, for: f.for ?? 1, process: f.process ?? "…",
    limit_ms: (f.limit_min ?? 0) * 60_000, where: f.where ?? "", after_ms: (f.after_min ?? 0) * 60_000, channels: f.channels ?? [],
  };
  return <p className="preview" role="status">{ruleSentence(said, names, t)}</p>;
}

const NEW: RuleFields = { name: "", kind: "threshold", severity: "warning", window: "5m", op: ">", for: 3, completeness_pct: 80, wait: 2, limit_min: 30, after_min: 10, tell_end: true, from: "now" };

function initial(rule: Rule): RuleFields {
  const minutes = (ms: number | null, other: number): number => (ms === null ? other : ms / 60_000);
  return {
    name: rule.name, kind: rule.kind, severity: rule.severity, kpi: rule.kpi, window: rule.window ?? "5m", op: rule.op ?? ">", value: rule.value, for: rule.for ?? 3,
    completeness_pct: Math.round((rule.completeness ?? 0.8) * 1000) / 10, wait: rule.wait ?? 2, process: rule.process, limit_min: minutes(rule.limit_ms, 30), where: rule.where,
    after_min: minutes(rule.after_ms, 10), region: rule.region, sites: rule.sites, channels: rule.channels, tell_end: rule.tell_end, from: "now",
  };
}

/** An empty choice shows the placeholder rather than nothing. */
function withoutBlanks(fields: RuleFields): RuleFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "")) as unknown as RuleFields;
}

export function RuleForm({ rule, onClose, onSaved }: Props): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [form] = Form.useForm<RuleFields>();
  const names = useNames();
  const kind = Form.useWatch<RuleFields["kind"] | undefined>("kind", form) ?? rule?.kind ?? "threshold";
  const save = (fields: RuleFields): void => {
    const draft = ruleDraft(fields, rule, serverNowMs());
    void run(() => (rule === null ? createRule(draft) : changeRule(rule, draft)), onSaved);
  };
  return (
    <Drawer open size={600} onClose={onClose} title={rule === null ? t("rule.add") : t("rule.edit", { name: rule.name })}
      footer={
        <div className="drawer-footer">
          <Button onClick={onClose}>{t("fleet.cancel")}</Button>
          <Button type="primary" loading={isBusy} onClick={() => form.submit()}>{t("fleet.save")}</Button>
        </div>
      }>
      <Form form={form} layout="vertical" initialValues={rule === null ? NEW : withoutBlanks(initial(rule))} onFinish={save} requiredMark={false} scrollToFirstError>
        <NameFields isNew={rule === null} />
        <h3 className="form-part">{t("rule.part_if")}</h3>
        <Form.Item name="kind">
          <Radio.Group aria-label={t("rule.kind")} className="sources">
            {RULE_KINDS.map((k) => <Radio key={k} value={k}>{t(`rule.kind_${k}`)}</Radio>)}
          </Radio.Group>
        </Form.Item>
        {kind === "threshold" ? <ThresholdFields kpis={names.kpis} /> : kind === "case_open" ? <CaseFields names={names} /> : <SilenceFields />}
        <h3 className="form-part">{t("rule.part_then")}</h3>
        <Form.Item name="severity" label={t("work.severity")}>
          <Radio.Group>{SEVERITIES.map((s) => <Radio key={s} value={s}>{t(`severity.${s}`)}</Radio>)}</Radio.Group>
        </Form.Item>
        <Form.Item name="channels" label={t("rule.channels")} extra={t("rule.channels_hint")}>
          <Select mode="multiple" allowClear maxCount={16} options={[...names.channel].map(([value, label]) => ({ value, label }))} />
        </Form.Item>
        <Form.Item name="tell_end" label={t("rule.tell_end")} valuePropName="checked"><Switch /></Form.Item>
        <Preview names={names} />
        <h3 className="form-part">{t("rule.part_where")}</h3>
        <ScopeFields />
        <FromField />
      </Form>
    </Drawer>
  );
}
