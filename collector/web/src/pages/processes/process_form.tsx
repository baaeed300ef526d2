// A new process, or a new version of one: its steps in order, when a case has ended, since when.

import { Button, Drawer, Form } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { serverNowMs } from "../../api/http";
import { changeProcess, createProcess, type Process } from "../../api/processes";
import { processDraft, type ProcessFields } from "../../model/drafts";
import { stepFault } from "../../model/steps";
import { useChange } from "../../ui/use_change";
import { ExpressionField } from "../definitions/expression_field";
import { FromField, NameFields } from "../definitions/fields";
import { StepsField } from "./steps_field";
import { doneText } from "./words";

interface Props {
  /** null: a new one. */
  process: Process | null;
  onClose: () => void;
  onSaved: (process: Process) => void;
}

function Preview(): ReactElement {
  const { t } = useTranslation();
  const form = Form.useFormInstance<ProcessFields>();
  const f = Form.useWatch<Partial<ProcessFields> | undefined>([], form);
  return <p className="preview" role="status">{doneText({ steps: (f?.steps ?? []).filter((s) => s.trim() !== ""), done: f?.done?.trim() ?? "" }, t)}</p>;
}

const EXAMPLE_DONE = 'status = "completed"';

const NEW: ProcessFields = { name: "", steps: ["", ""], from: "now" };

export function ProcessForm({ process, onClose, onSaved }: Props): ReactElement {
  const { t } = useTranslation();
  const { isBusy, run } = useChange();
  const [form] = Form.useForm<ProcessFields>();
  const check = (_: unknown, steps: string[] | undefined): Promise<void> => {
    const fault = stepFault(steps ?? []);
    return fault === null ? Promise.resolve() : Promise.reject(new Error(t(`process.step_${fault.kind}`, { step: fault.name })));
  };
  const save = (fields: ProcessFields): void => {
    const draft = processDraft(fields, process, serverNowMs());
    void run(() => (process === null ? createProcess(draft) : changeProcess(process, draft)), onSaved);
  };
  return (
    <Drawer open size={560} onClose={onClose} title={process === null ? t("process.add") : t("process.edit", { name: process.name })}
      footer={
        <div className="drawer-footer">
          <Button onClick={onClose}>{t("fleet.cancel")}</Button>
          <Button type="primary" loading={isBusy} onClick={() => form.submit()}>{t("fleet.save")}</Button>
        </div>
      }>
      <Form form={form} layout="vertical" initialValues={process === null ? NEW : { name: process.name, steps: process.steps, done: process.done, from: "now" }} onFinish={save} requiredMark={false} scrollToFirstError>
        <NameFields isNew={process === null} />
        <Form.Item name="steps" label={t("process.steps")} extra={t("process.steps_hint")} rules={[{ validator: check }]}>
          <StepsField />
        </Form.Item>
        <Form.Item name="done" label={t("process.done")} extra={t("process.done_hint")}>
          <ExpressionField use="done" source="case" label={t("process.done")} placeholder={EXAMPLE_DONE} />
        </Form.Item>
        <Preview />
        <FromField />
      </Form>
    </Drawer>
  );
}
