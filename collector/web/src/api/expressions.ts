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
export type ExpressionUse = "where" | "condition" | "done";

export function checkExpression(text: string, use: ExpressionUse, source: Source): Promise<Result<ExpressionCheck>> {
  return send({ method: "POST", path: "/expressions/check", body: { text, use, source } }, decodeExpressionCheck);
}
