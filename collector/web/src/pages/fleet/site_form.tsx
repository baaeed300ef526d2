// Adding or editing a site, in a drawer.

import { DeleteOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Drawer, Form, Input, Select } from "antd";
import { useMemo, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { createSite, updateSite, type Site } from "../../api/sites";
import { serverNowMs } from "../../api/http";
import { tagRows, tagsOfRows, type TagRow } from "../../model/tags";
import { browserZone } from "../../model/time";
import { zoneChoices, zoneMatches } from "../../model/zones";
import { useChange } from "../../ui/use_change";

interface Props {
  /** null: a new one. */
  site: Site | null;
  onClose: () => void;
  onSaved: () => void;
}

interface Fields {
  name: string;
  region: string;
  zone: string;
  tags: (Partial<TagRow> | undefined)[];
}

function TagFields(): ReactElement {
  const { t } = useTranslation();
  return (
    <Form.List name="tags">
      {(fields, { add, remove }) => (
        <div className="tag-fields">
          {fields.map((field) => (
            <div key={field.key} className="tag-row">
              <Form.Item name={[field.name, "key"]} noStyle>
                <Input maxLength={64} placeholder={t("fleet.tag_key")} aria-label={t("fleet.tag_key")} />
              </Form.Item>
              <Form.Item name={[field.name, "value"]} noStyle>
                <Input maxLength={128} placeholder={t("fleet.tag_value")} aria-label={t("fleet.tag_value")} />
              </Form.Item>
              <Button icon={<DeleteOutlined />} aria-label={t("fleet.remove_tag")} onClick={() => remove(field.name)} />
            </div>
          ))}
          <Button icon={<PlusOutlined />} onClick={() => add({ key: "", value: "" })}>{t("fleet.add_tag")}</Button>
        </div>
      )}
    </Form.List>
  );
}

export function SiteForm({ site, onClose, onSaved }: Props): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [form] = Form.useForm<Fields>();
  const zones = useMemo(() => zoneChoices(serverNowMs()), []);
  const save = async (fields: Fields): Promise<void> => {
    const draft = { name: fields.name.trim(), region: (fields.region ?? "").trim(), zone: fields.zone, tags: tagsOfRows(fields.tags ?? []) };
    const done = await run(() => (site === null ? createSite(draft) : updateSite(site, draft)));
    if (done) {
      onSaved();
    }
  };
  const initial: Fields = site === null
    ? { name: "", region: "", zone: browserZone(), tags: [] }
    : { name: site.name, region: site.region, zone: site.zone, tags: tagRows(site.tags) };
  return (
    <Drawer
      open
      size={440}
      onClose={onClose}
      title={site === null ? t("fleet.add_site") : t("fleet.edit_site")}
      footer={
        <div className="drawer-footer">
          <Button onClick={onClose}>{t("fleet.cancel")}</Button>
          <Button type="primary" loading={isBusy} onClick={() => form.submit()}>{t("fleet.save")}</Button>
        </div>
      }
    >
      <Form form={form} layout="vertical" initialValues={initial} onFinish={(f) => void save(f)} requiredMark={false}>
        <Form.Item name="name" label={t("fleet.name")} rules={[{ required: true, whitespace: true, message: t("fleet.required") }]}>
          <Input maxLength={128} autoFocus />
        </Form.Item>
        <Form.Item name="region" label={t("fleet.region")} extra={t("fleet.region_hint")}>
          <Input maxLength={256} />
        </Form.Item>
        <Form.Item name="zone" label={t("fleet.zone")} extra={t("fleet.zone_hint")} rules={[{ required: true, message: t("fleet.zone_required") }]}>
          <Select showSearch={{ filterOption: (typed, option) => zoneMatches(typed, option?.label ?? "") }} options={zones} />
        </Form.Item>
        <Form.Item label={t("fleet.tags")}>
          <TagFields />
        </Form.Item>
      </Form>
    </Drawer>
  );
}
