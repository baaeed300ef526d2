// What an error says to people: our sentence in their language, then the collector's own words where they add something.

import type { TFunction } from "i18next";

import type { ApiError } from "../api/http";

const OWN_TEXT = [
  "forbidden", "not_found", "conflict", "exists", "too_many_requests", "too_many_points", "busy", "wrong_credentials",
] as const;

function headline(error: ApiError, t: TFunction): string {
  if (error.kind === "network" || error.kind === "aborted") {
    return t("error.network");
  }
  if (error.kind === "shape") {
    return t("error.shape");
  }
  const code = error.code === "precondition_failed" ? "conflict" : error.code;
  const own = OWN_TEXT.find((c) => c === code);
  if (own !== undefined) {
    return t(`error.${own}`);
  }
  return error.code === "invalid_field" || error.code === "invalid_json" ? t("error.invalid") : t("error.internal", { status: error.status ?? 0 });
}

export function errorText(error: ApiError, t: TFunction): string {
  const lines = [headline(error, t)];
  for (const f of error.fields ?? []) {
    const hint = f.suggestion === null ? "" : ` (${t("error.suggestion", { suggestion: f.suggestion })})`;
    lines.push(t("error.field", { field: f.field, expected: f.expected }) + hint);
  }
  if (error.kind === "http" && (error.fields ?? []).length === 0 && error.message !== "") {
    lines.push(t("error.said", { detail: error.message }));
  }
  if (error.kind === "shape") {
    lines.push(error.message);
  }
  return lines.join("\n");
}
