// An expression, checked by the collector while it is typed: where it is wrong, what was expected, and which names there are.

import { Input } from "antd";
import { useEffect, useEffectEvent, useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { checkExpression, type ExpressionCheck, type ExpressionUse } from "../../api/expressions";
import type { ApiError } from "../../api/http";
import type { Source } from "../../api/kpis";
import { errorText } from "../../ui/error_text";
import { StateIcon } from "../../ui/state_badge";

interface Props {
  /** Given by the form. */
  id?: string;
  value?: string;
  onChange?: (text: string) => void;
  use: ExpressionUse;
  /** Of a KPI; null for the other uses, which have names of their own. */
  source: Source | null;
  label: string;
  placeholder: string;
}

const PAUSE_MS = 350;

type Verdict = { text: string; source: Source | null } & ({ check: ExpressionCheck } | { error: ApiError });

function Errors({ text, check, onText }: { text: string; check: ExpressionCheck; onText: (text: string) => void }): ReactElement {
  const { t } = useTranslation();
  return (
    <ul>
      {check.errors.map((e, i) => {
        // Columns count characters as people do, from 1.
        const letters = [...text];
        const at = Math.max(0, e.column - 1);
        const wrong = e.got !== "" && letters.slice(at).join("").startsWith(e.got) ? [...e.got].length : 1;
        const fixed = e.suggestion === null ? null : [...letters.slice(0, at), e.suggestion, ...letters.slice(at + wrong)].join("");
        return (
          <li key={`${e.column}:${i}`} className="is-bad">
            <StateIcon state="down" /> {t("expr.error", { column: e.column, expected: e.expected, got: e.got })}{" "}
            <code className="expression-text">{letters.slice(0, at).join("")}<mark>{letters.slice(at, at + wrong).join("") || "␣"}</mark>{letters.slice(at + wrong).join("")}</code>{" "}
            {fixed !== null && <button type="button" className="link-button" onClick={() => onText(fixed)}>{t("expr.use", { suggestion: e.suggestion ?? "" })}</button>}
          </li>
        );
      })}
    </ul>
  );
}

export function ExpressionField({ id, value = "", onChange, use, source, label, placeholder }: Props): ReactElement {
  const { t } = useTranslation();
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const ask = useEffectEvent(async (text: string, isCurrent: () => boolean): Promise<void> => {
    const res = await checkExpression(text, use, source);
    if (isCurrent()) {
      setVerdict({ text, source, ...(res.ok ? { check: res.value } : { error: res.error }) });
    }
  });
  useEffect(() => {
    let isCurrent = true;
    const timer = setTimeout(() => void ask(value, () => isCurrent), PAUSE_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [value, source, use]);
  const set = (text: string): void => onChange?.(text);
  const names = verdict !== null && "check" in verdict ? verdict.check.names : [];
  const isFresh = verdict !== null && verdict.text === value && verdict.source === source;
  return (
    <div className="expression">
      <Input.TextArea id={id} aria-label={label} placeholder={placeholder} autoSize={{ minRows: 1, maxRows: 6 }} maxLength={2000} spellCheck={false} autoCapitalize="none"
        value={value} onChange={(e) => set(e.target.value)} status={isFresh && value !== "" && "check" in verdict && !verdict.check.ok ? "error" : ""} />
      <div className="expression-verdict" role="status">
        {value === "" ? null : !isFresh ? <span className="is-faint">{t("expr.checking")}</span>
          : "error" in verdict ? <span className="is-lines">{errorText(verdict.error, t)}</span>
            : verdict.check.ok ? <span className="is-good"><StateIcon state="up" /> {t("expr.ok")}</span>
              : <Errors text={value} check={verdict.check} onText={set} />}
      </div>
      {names.length > 0 && (
        <details>
          <summary>{t("expr.names")}</summary>
          <ul className="expression-names">
            {names.map((n) => (
              <li key={n.name}>
                <button type="button" className="link-button" onClick={() => set(value === "" || /\s$/.test(value) ? `${value}${n.name} ` : `${value} ${n.name} `)}>{n.name}</button>{" "}
                <span className="is-faint">{[n.type, n.help].filter((x) => x !== "").join(" · ")}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
