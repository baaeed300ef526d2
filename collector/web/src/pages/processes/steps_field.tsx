// The steps of a process in their usual order.  Everything is done by keyboard too: Enter adds, Alt+↑ and Alt+↓ move, Backspace in
// an empty one removes; the focus stays with the step, and what happened is said.

import { ArrowDownOutlined, ArrowUpOutlined, DeleteOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Input } from "antd";
import { useEffect, useRef, useState, type KeyboardEvent, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { addStep, MOST_STEPS, moveStep, withoutStep } from "../../model/steps";

interface Props {
  /** Given by the form. */
  id?: string;
  value?: string[];
  onChange?: (steps: string[]) => void;
}

/** Where the focus goes once the list has changed; the number makes two in a row differ. */
interface Focus {
  at: number;
  on: "name" | "up" | "down";
}

interface RowProps {
  at: number;
  name: string;
  count: number;
  onName: (name: string) => void;
  onMove: (to: number, on: Focus["on"]) => void;
  onRemove: () => void;
  onAdd: () => void;
}

function Row({ at, name, count, onName, onMove, onRemove, onAdd }: RowProps): ReactElement {
  const { t } = useTranslation();
  const said = name.trim() === "" ? t("process.step_n", { n: at + 1 }) : name.trim();
  const onKey = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) {
      return;
    }
    const act = event.key === "Enter" ? onAdd
      : event.altKey && event.key === "ArrowUp" ? () => onMove(at - 1, "name")
        : event.altKey && event.key === "ArrowDown" ? () => onMove(at + 1, "name")
          : event.key === "Backspace" && name === "" && count > 1 ? onRemove : null;
    if (act !== null) {
      event.preventDefault();
      act();
    }
  };
  return (
    <li className="step-row" data-step={at}>
      <span className="step-number" aria-hidden="true">{at + 1}</span>
      <Input data-on="name" aria-label={t("process.step_n", { n: at + 1 })} value={name} maxLength={64} spellCheck={false} autoCapitalize="none" onChange={(e) => onName(e.target.value)} onKeyDown={onKey} />
      <Button data-on="up" icon={<ArrowUpOutlined />} disabled={at === 0} aria-label={t("process.step_up", { step: said })} onClick={() => onMove(at - 1, "up")} />
      <Button data-on="down" icon={<ArrowDownOutlined />} disabled={at === count - 1} aria-label={t("process.step_down", { step: said })} onClick={() => onMove(at + 1, "down")} />
      <Button icon={<DeleteOutlined />} aria-label={t("process.step_remove", { step: said })} onClick={onRemove} />
    </li>
  );
}

export function StepsField({ id, value = [], onChange }: Props): ReactElement {
  const { t } = useTranslation();
  const list = useRef<HTMLOListElement>(null);
  const [focus, setFocus] = useState<Focus | null>(null);
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (focus !== null) {
      const row = list.current?.querySelector(`[data-step="${focus.at}"]`);
      const wanted = row?.querySelector<HTMLElement>(`[data-on="${focus.on}"]:not(:disabled)`) ?? row?.querySelector<HTMLElement>('[data-on="name"]');
      wanted?.focus();
    }
  }, [focus]);
  const set = (steps: string[], next: Focus, words: string): void => {
    onChange?.(steps);
    setFocus(next);
    setSaid(words);
  };
  const nameOf = (at: number): string => value[at]?.trim() || t("process.step_n", { n: at + 1 });
  const move = (from: number, to: number, on: Focus["on"]): void => {
    if (to >= 0 && to < value.length) {
      set(moveStep(value, from, to), { at: to, on }, t("process.step_moved", { step: nameOf(from), n: to + 1, count: value.length }));
    }
  };
  const remove = (at: number): void => set(withoutStep(value, at), { at: Math.max(0, Math.min(at, value.length - 2)), on: "name" }, t("process.step_removed", { step: nameOf(at) }));
  const add = (at: number): void => {
    if (value.length < MOST_STEPS) {
      set(addStep(value, at), { at: at + 1, on: "name" }, "");
    }
  };
  return (
    <div id={id} role="group" aria-label={t("process.steps")}>
      {value.length > 0 && (
        <ol className="step-rows" ref={list}>
          {value.map((name, at) => (
            // A step is where it stands: names may be equal or empty while they are typed.
            <Row key={at} at={at} name={name} count={value.length} onMove={(to, on) => move(at, to, on)} onRemove={() => remove(at)} onAdd={() => add(at)}
              onName={(next) => onChange?.(value.map((old, i) => (i === at ? next : old)))} />
          ))}
        </ol>
      )}
      <Button icon={<PlusOutlined />} disabled={value.length >= MOST_STEPS} onClick={() => add(value.length - 1)}>{t("process.step_add")}</Button>
      <span className="visually-hidden" role="status">{said}</span>
    </div>
  );
}
