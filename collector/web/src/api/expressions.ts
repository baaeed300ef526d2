// Expressions are checked where they are written: is it one, if not where and what instead, and which names there are.

import { array, bool, nullable, num, object, str, withDefault, type Decoded } from "./decode";
import { send, type Result } from "./http";
import type { Source } from "./kpis";

export const decodeExpressionCheck = object({
  ok: bool,
  errors: withDefault(
    array(object({ column: withDefault(num, 0), expected: withDefault(str, ""), got: withDefault(str, ""), suggestion: nullable(str) })),
    [],
  ),
  names: withDefault(array(object({ name: str, type: withDefault(str, ""), help: withDefault(str, "") })), []),
});
export type ExpressionCheck = Decoded<typeof decodeExpressionCheck>;
/** where and condition are a KPI's, done is a process's, open_case a rule's about cases that have not ended. */
export type ExpressionUse = "where" | "condition" | "done" | "open_case";

export function checkExpression(text: string, use: ExpressionUse, source: Source | null): Promise<Result<ExpressionCheck>> {
  return send({ method: "POST", path: "/expressions/check", body: { text, use, ...(source === null ? {} : { source }) } }, decodeExpressionCheck);
}
