// The one place that talks to the network.  Errors are data, not exceptions: a page must say what it shows instead.

import { array, nullable, object, ShapeError, str, withDefault, type Decoder, type Page } from "./decode";

export interface FieldError {
  field: string;
  expected: string;
  got: string | null;
  suggestion: string | null;
}

export interface ApiError {
  kind: "network" | "http" | "shape" | "aborted";
  status?: number;
  /** The collector's stable word for what went wrong, such as "exists". */
  code?: string;
  /** The collector's sentence; English, so it is shown beside our own and never instead of it. */
  message: string;
  fields?: FieldError[];
  retryAfterMs?: number;
}

export type Param = string | number | boolean | null | undefined;

export type Result<T> = { ok: true; value: T } | { ok: false; error: ApiError };

const problem = object({
  code: withDefault(str, "internal"),
  title: withDefault(str, ""),
  detail: withDefault(str, ""),
  errors: withDefault(
    array(
      object({
        field: withDefault(str, ""),
        expected: withDefault(str, ""),
        got: nullable((raw) => (typeof raw === "string" ? raw : JSON.stringify(raw))),
        suggestion: nullable(str),
      }),
    ),
    [],
  ),
});

// A request that hangs is as useless as one that fails; ten seconds is longer than any query may take.
const DEADLINE_MS = 10_000;

let signedOut: () => void = () => undefined;

/** Called whenever the collector says that there is no session any more. */
export function onSignedOut(callback: () => void): void {
  signedOut = callback;
}

function retryAfter(res: Response): number | undefined {
  const seconds = Number(res.headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}

async function httpError(res: Response): Promise<ApiError> {
  const error: ApiError = { kind: "http", status: res.status, message: res.statusText };
  const wait = retryAfter(res);
  if (wait !== undefined) {
    error.retryAfterMs = wait;
  }
  try {
    const p = problem(await res.json(), "problem");
    error.code = p.code;
    error.message = p.detail || p.title;
    error.fields = p.errors;
  } catch {
    // Not a problem document (a proxy's page, say): the status has to do.
  }
  return error;
}

async function request(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Result<Response>> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  let res: Response;
  try {
    res = await fetch(`/api/v1${path}`, { ...init, signal: either, credentials: "same-origin" });
  } catch (e) {
    const kind = signal?.aborted === true ? "aborted" : "network";
    return { ok: false, error: { kind, message: e instanceof Error ? e.message : String(e) } };
  }
  learnClock(res);
  if (res.ok) {
    return { ok: true, value: res };
  }
  const error = await httpError(res);
  if (res.status === 401 && error.code !== "wrong_credentials") {
    signedOut();
  }
  return { ok: false, error };
}

async function body<T>(res: Response, decode: Decoder<T>): Promise<Result<T>> {
  try {
    return { ok: true, value: decode(res.status === 204 ? null : await res.json(), "answer") };
  } catch (e) {
    const kind = e instanceof ShapeError || e instanceof SyntaxError ? "shape" : "network";
    return { ok: false, error: { kind, message: e instanceof Error ? e.message : String(e) } };
  }
}

export async function getJson<T>(path: string, decode: Decoder<T>, signal?: AbortSignal): Promise<Result<T>> {
  const res = await request(path, { headers: { Accept: "application/json" } }, signal);
  return res.ok ? body(res.value, decode) : res;
}

// 20 pages of 1000: more sites than one collector is meant to carry.  Past that the list is cut rather than endless.
const MAX_PAGES = 20;

/** All pages of a list.  `path` has no query but what `params` holds. */
export async function getAll<T>(path: string, params: Record<string, Param>, decode: Decoder<Page<T>>, signal?: AbortSignal): Promise<Result<T[]>> {
  const items: T[] = [];
  let after: string | null = null;
  for (let n = 0; n < MAX_PAGES; n++) {
    const res: Result<Page<T>> = await getJson(path + queryString({ ...params, limit: 1000, after }), decode, signal);
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

export interface Change {
  method: "POST" | "PATCH" | "PUT" | "DELETE";
  path: string;
  body?: unknown;
  /** The version the change was based on; the collector refuses it when somebody was faster. */
  version?: number;
}

export async function send<T>(change: Change, decode: Decoder<T>): Promise<Result<T>> {
  const headers: Record<string, string> = { Accept: "application/json" };
  const init: RequestInit = { method: change.method, headers };
  if (change.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(change.body);
  }
  if (change.version !== undefined) {
    headers["If-Match"] = `"${change.version}"`;
  }
  const res = await request(change.path, init, undefined);
  return res.ok ? body(res.value, decode) : res;
}

let serverAheadMs = 0;

/** Ages are told by the collector's clock: the one on somebody's desk may be minutes off. */
export function serverNowMs(): number {
  return Date.now() + serverAheadMs;
}

function learnClock(res: Response): void {
  const date = Date.parse(res.headers.get("Date") ?? "");
  if (Number.isFinite(date)) {
    const ahead = date + 500 - Date.now();
    // The header counts whole seconds; below two it says nothing.
    serverAheadMs = Math.abs(ahead) > 2_000 ? ahead : 0;
  }
}

export const nothing: Decoder<null> = () => null;

/** "?a=1&b=2" of what is set; "" when nothing is. */
export function queryString(params: Record<string, Param>): string {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") {
      out.set(key, String(value));
    }
  }
  const text = out.toString();
  return text === "" ? "" : `?${text}`;
}
