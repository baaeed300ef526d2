// The question: which metric, what of it, split by what, and from where.

import { Select } from "antd";
import { useMemo, type ReactElement, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { metricCatalogue, metricLabels, type Agg, type Grouping, type Metric, type MetricCatalogue, type MetricLabels, type Question } from "../../api/metrics";
import { asLanguage } from "../../i18n";
import { aggsOf, cutLabels, labelFilter, wordsOf } from "../../model/explore";
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
  /** Found by these words, too. */
  words?: string;
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
      <Select<T, Option<T>>
        aria-label={name}
        showSearch={{ filterOption: (typed, option) => `${option?.label ?? ""} ${option?.words ?? ""}`.toLowerCase().includes(typed.toLowerCase()) }}
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

/** What the chosen metric is: one sentence, its kind and its unit. */
function About({ metric, catalogue }: { metric: Metric; catalogue: MetricCatalogue | undefined }): ReactElement {
  const { t, i18n } = useTranslation();
  const { description, unit } = wordsOf(catalogue, metric.name, metric.unit, asLanguage(i18n.language));
  const facts = [...metric.kinds.map((k) => t(`metrics.kind_${k}`)), ...(unit === null ? [] : [t("metrics.unit_is", { unit })])];
  return (
    <p className="about-metric">
      {description !== null && <span>{description}</span>}
      {catalogue !== undefined && description === null && <span>{t("metrics.not_described")}</span>}
      {facts.map((fact) => <span key={fact}>{fact}</span>)}
    </p>
  );
}

/** What the lists of labels above do not show. */
function LeftOut({ labels }: { labels: MetricLabels | undefined }): ReactElement | null {
  const { t } = useTranslation();
  const cut = cutLabels(labels);
  if (cut.values.length === 0 && cut.labels === null) {
    return null;
  }
  return (
    <p className="about-metric" role="note">
      {cut.values.map(({ key, n }) => <span key={key}>{t("metrics.values_cut", { key, n })}</span>)}
      {cut.labels !== null && <span>{t("metrics.labels_cut", { n: cut.labels })}</span>}
      <span>{t("metrics.cut_hint")}</span>
    </p>
  );
}

export function Ask({ metrics, question, onMetric, onChange }: Props): ReactElement {
  const { t, i18n } = useTranslation();
  const name = question?.metric ?? null;
  const catalogue = usePoll(metricCatalogue, { key: "catalogue", intervalMs: 0 }).value;
  const labels = usePoll((signal) => metricLabels(name ?? "", signal), { key: `labels ${name ?? ""}`, intervalMs: 0, enabled: name !== null }).value;
  const metric = metrics.find((m) => m.name === name);
  const options = metrics.map((m) => ({ value: m.name, label: m.name, words: wordsOf(catalogue, m.name, m.unit, asLanguage(i18n.language)).description ?? "" }));
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
    <>
      <div className="ask">
        <Field name={t("metrics.metric")} className="is-metric" value={name} options={options} any={t("metrics.choose")}
          onChange={(next) => (next === null ? undefined : onMetric(next))} />
        {rest}
      </div>
      <LeftOut labels={labels} />
      {metric !== undefined && <About metric={metric} catalogue={catalogue} />}
    </>
  );
}
