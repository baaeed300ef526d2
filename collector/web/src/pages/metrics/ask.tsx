// The question: which metric, what of it, split by what, and from where.

import { Select } from "antd";
import { useMemo, type ReactElement, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { metricLabels, type Agg, type Grouping, type Metric, type MetricLabels, type Question } from "../../api/metrics";
import { aggsOf, labelFilter } from "../../model/explore";
import { regionsOf } from "../../model/overview";
import { usePoll } from "../../ui/use_poll";
import { useSites } from "../definitions/fields";

interface Props {
  metrics: Metric[];
  question: Question | null;
  onMetric: (name: string) => void;
  onChange: (change: Partial<Question>) => void;
}

interface Option<T extends string> {
  value: T;
  label: string;
}

interface FieldProps<T extends string> {
  name: string;
  value: T | null;
  options: Option<T>[];
  onChange: (value: T | null) => void;
  any?: string;
  className?: string;
}

/** One choice under its name; `any`: it may be left open, and that is what it says then. */
function Field<T extends string>({ name, value, options, onChange, any, className }: FieldProps<T>): ReactElement {
  return (
    <label className={className}>
      {name}
      <Select<T>
        aria-label={name}
        showSearch={{ optionFilterProp: "label" }}
        allowClear={any !== undefined}
        placeholder={any}
        value={value}
        options={options}
        onChange={(next: T | undefined) => onChange(next ?? null)}
      />
    </label>
  );
}

const plain = (values: readonly string[]): Option<string>[] => values.map((value) => ({ value, label: value }));

function Where({ question, labels, onChange }: { question: Question; labels: MetricLabels | undefined; onChange: Props["onChange"] }): ReactElement {
  const { t } = useTranslation();
  const sites = useSites();
  const regions = useMemo(() => regionsOf(sites), [sites]);
  const pairs = (labels?.items ?? []).flatMap(({ key, values }) => values.map((v) => ({ value: labelFilter(key, v), label: `${key} = ${v}` })));
  return (
    <>
      <Field name={t("work.site")} value={question.site} any={t("work.all_sites")} onChange={(site) => onChange({ site })}
        options={sites.map((s) => ({ value: s.id, label: s.name }))} />
      {regions.length > 0 && (
        <Field name={t("work.region")} value={question.region} any={t("metrics.any")} onChange={(region) => onChange({ region })} options={plain(regions)} />
      )}
      {pairs.length > 0 && (
        <Field name={t("metrics.label")} value={question.labels} any={t("metrics.any")} onChange={(chosen) => onChange({ labels: chosen })} options={pairs} />
      )}
    </>
  );
}

function Split({ question, labels, onChange }: { question: Question; labels: MetricLabels | undefined; onChange: Props["onChange"] }): ReactElement {
  const { t } = useTranslation();
  const keys = (labels?.items ?? []).map((l) => l.key);
  const groups: Option<string>[] = [
    ...(["all", "site", "region", "device"] as const).map((value) => ({ value, label: t(`metrics.group_${value}`) })),
    ...keys.map((key) => ({ value: `label:${key}`, label: t("metrics.group_label", { key }) })),
  ];
  const value = question.group === "label" ? `label:${question.groupLabel ?? ""}` : question.group;
  const choose = (next: string | null): void => {
    const isLabel = next?.startsWith("label:") === true;
    onChange(isLabel ? { group: "label", groupLabel: next.slice("label:".length) } : { group: (next ?? "all") as Grouping, groupLabel: null });
  };
  return <Field name={t("metrics.group")} value={value} options={groups} onChange={choose} />;
}

export function Ask({ metrics, question, onMetric, onChange }: Props): ReactElement {
  const { t } = useTranslation();
  const name = question?.metric ?? null;
  const labels = usePoll((signal) => metricLabels(name ?? "", signal), { key: `labels ${name ?? ""}`, intervalMs: 0, enabled: name !== null }).value;
  const metric = metrics.find((m) => m.name === name);
  let rest: ReactNode = null;
  if (question !== null) {
    const aggs = aggsOf(metric).map((value) => ({ value, label: t(`metrics.agg_${value}`) }));
    rest = (
      <>
        <Field<Agg> name={t("metrics.agg")} value={question.agg} options={aggs} onChange={(agg) => onChange({ agg: agg ?? question.agg })} />
        <Split question={question} labels={labels} onChange={onChange} />
        <Where question={question} labels={labels} onChange={onChange} />
      </>
    );
  }
  return (
    <div className="ask">
      <Field name={t("metrics.metric")} className="is-metric" value={name} options={plain(metrics.map((m) => m.name))} any={t("metrics.choose")}
        onChange={(next) => (next === null ? undefined : onMetric(next))} />
      {rest}
    </div>
  );
}
