// What every definition (KPI, rule, process, channel) has: a head, versions, a switch.  Each version is in force from an instant of
// event time until the next one's.

import { bool, nullable, num, str, withDefault, type Decoder, type Page } from "./decode";
import { getJson, queryString, send, type Result } from "./http";

/** The fields of a head, to be spread into a decoder. */
export const headShape = {
  id: str,
  name: str,
  version: num,
  enabled: bool,
  from_unix_ms: num,
  author: withDefault(str, ""),
  created_unix_ms: num,
};

/** Where it applies; both empty: everywhere. */
export const scopeShape = {
  region: withDefault(str, ""),
};

export interface Head {
  id: string;
  name: string;
  version: number;
  enabled: boolean;
  from_unix_ms: number;
  author: string;
  created_unix_ms: number;
}

export type Kind = "kpis" | "rules" | "processes" | "channels";

/** What is written: fields given replace, null removes.  `from_unix_ms` in the past has past windows worked out. */
export type Draft = Record<string, unknown>;

// A collector holds at most 500 of a kind.
const MAX_PAGES = 20;

export async function listDefinitions<T>(kind: Kind, decode: Decoder<Page<T>>, signal?: AbortSignal): Promise<Result<T[]>> {
  const items: T[] = [];
  let after: string | null = null;
  for (let n = 0; n < MAX_PAGES; n++) {
    const res: Result<Page<T>> = await getJson(`/${kind}${queryString({ after })}`, decode, signal);
    if (!res.ok) {
      return res;
    }
    items.push(...res.value.items);
    after = res.value.next;
    if (after === null) {
      break;
    }
  }
  return { ok: true, value: items };
}

export function pathOf(kind: Kind, id: string): string {
  return `/${kind}/${encodeURIComponent(id)}`;
}

export function createDefinition<T>(kind: Kind, draft: Draft, decode: Decoder<T>): Promise<Result<T>> {
  return send({ method: "POST", path: `/${kind}`, body: draft }, decode);
}

export function changeDefinition<T>(kind: Kind, head: { id: string; version: number }, draft: Draft, decode: Decoder<T>): Promise<Result<T>> {
  return send({ method: "PATCH", path: pathOf(kind, head.id), body: draft, version: head.version }, decode);
}

/** Newest first. */
export async function listVersions<T>(kind: Kind, id: string, decode: Decoder<Page<T>>, signal?: AbortSignal): Promise<Result<T[]>> {
  const res = await getJson(`${pathOf(kind, id)}/versions`, decode, signal);
  return res.ok ? { ok: true, value: res.value.items } : res;
}

/** A cursor is opaque; some collectors count with it. */
export const cursor: Decoder<string | null> = nullable((raw) => String(raw));
