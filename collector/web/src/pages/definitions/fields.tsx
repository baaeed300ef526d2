// Parts of the forms of all definitions: id, where it applies, since when.

import { Form, Input, Select } from "antd";
import { useMemo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { listProcesses } from "../../api/processes";
import { listSites, type Site } from "../../api/sites";
import { FROM_MS, type From } from "../../model/drafts";
import { regionsOf } from "../../model/overview";
import { usePoll } from "../../ui/use_poll";

const NAMES_MS = 120_000;

export function useSites(): Site[] {
  return usePoll((signal) => listSites(false, signal), { key: "sites", intervalMs: NAMES_MS }).value ?? [];
}

/** What people call a process; one that is gone by its id. */
export function useProcessName(): (id: string) => string {
  const processes = usePoll(listProcesses, { key: "processes", intervalMs: NAMES_MS }).value;
  return (id) => processes?.find((p) => p.id === id)?.name ?? id;
}

export function NameFields({ isNew }: { isNew: boolean }): ReactElement {
  const { t } = useTranslation();
  return (
    <>
      <Form.Item name="name" label={t("work.name")} rules={[{ required: true, whitespace: true, message: t("fleet.required") }]}>
        <Input maxLength={128} autoFocus />
      </Form.Item>
      {isNew && (
        <Form.Item name="id" label={t("work.id")} extra={t("work.id_hint")} rules={[{ pattern: /^[a-z0-9][a-z0-9-]{0,62}$/, message: t("work.id_hint") }]}>
          <Input maxLength={63} autoCapitalize="none" autoComplete="off" />
        </Form.Item>
      )}
    </>
  );
}

export function ScopeFields(): ReactElement {
  const { t } = useTranslation();
  const sites = useSites();
  const regions = useMemo(() => regionsOf(sites).map((value) => ({ value, label: value })), [sites]);
  return (
    <>
      <Form.Item name="region" label={t("work.region")} extra={t("work.region_hint")}>
        <Select allowClear showSearch options={regions} placeholder={t("work.everywhere")} />
      </Form.Item>
      <Form.Item name="sites" label={t("work.sites")}>
        <Select mode="multiple" allowClear maxCount={64} showSearch={{ optionFilterProp: "label" }} placeholder={t("work.everywhere")} options={sites.map((s) => ({ value: s.id, label: s.name }))} />
      </Form.Item>
    </>
  );
}

export function FromField(): ReactElement {
  const { t } = useTranslation();
  return (
    <Form.Item name="from" label={t("work.from")} extra={t("work.from_hint")}>
      <Select options={(Object.keys(FROM_MS) as From[]).map((value) => ({ value, label: t(`work.from_${value}`) }))} />
    </Form.Item>
  );
}
