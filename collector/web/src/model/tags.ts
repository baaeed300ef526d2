// Tags as rows of a form, and back.

export interface TagRow {
  key: string;
  value: string;
}

export function tagRows(tags: Record<string, string>): TagRow[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}

/** Rows without a key are rows somebody left empty; of two with one key the later counts. */
export function tagsOfRows(rows: readonly (Partial<TagRow> | undefined)[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (const row of rows) {
    const key = row?.key?.trim() ?? "";
    if (key !== "") {
      Object.defineProperty(out, key, { value: row?.value?.trim() ?? "", enumerable: true, configurable: true, writable: true });
    }
  }
  return out;
}
