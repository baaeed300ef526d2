// Decoders: what the network says is `unknown` until one of these has looked at it.  Each takes the value and where it stands, and
// returns it typed or throws a ShapeError naming that place.  Fields the app does not know are dropped, so that a newer collector
// may add some.  Small enough to own: eight combinators cover the whole API.

export type Decoder<T> = (raw: unknown, at: string) => T;
export type Decoded<D> = D extends Decoder<infer T> ? T : never;

export class ShapeError extends Error {}

function fail(at: string, expected: string, raw: unknown): never {
  const got = raw === null ? "null" : Array.isArray(raw) ? "array" : typeof raw;
  throw new ShapeError(`${at}: expected ${expected}, got ${got}`);
}

export const str: Decoder<string> = (raw, at) => (typeof raw === "string" ? raw : fail(at, "text", raw));

export const num: Decoder<number> = (raw, at) =>
  typeof raw === "number" && Number.isFinite(raw) ? raw : fail(at, "number", raw);

export const bool: Decoder<boolean> = (raw, at) => (typeof raw === "boolean" ? raw : fail(at, "true or false", raw));

export const anything: Decoder<unknown> = (raw) => raw;

export function nullable<T>(inner: Decoder<T>): Decoder<T | null> {
  return (raw, at) => (raw === null || raw === undefined ? null : inner(raw, at));
}

/** A field that older collectors do not send. */
export function withDefault<T>(inner: Decoder<T>, value: T): Decoder<T> {
  return (raw, at) => (raw === null || raw === undefined ? value : inner(raw, at));
}

export function array<T>(inner: Decoder<T>): Decoder<T[]> {
  return (raw, at) => (Array.isArray(raw) ? raw.map((v, i) => inner(v, `${at}[${i}]`)) : fail(at, "array", raw));
}

export function oneOf<const T extends string>(...values: readonly T[]): Decoder<T> {
  return (raw, at) => values.find((v) => v === raw) ?? fail(at, values.join(" | "), raw);
}

function isObject(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}

/** A map with free keys, such as tags or labels.  Its prototype is empty: keys such as "__proto__" are only keys. */
export function record<T>(inner: Decoder<T>): Decoder<Record<string, T>> {
  return (raw, at) => {
    if (!isObject(raw)) {
      return fail(at, "object", raw);
    }
    const out = Object.create(null) as Record<string, T>;
    for (const [key, value] of Object.entries(raw)) {
      out[key] = inner(value, `${at}.${key}`);
    }
    return out;
  };
}

export function object<const S extends Record<string, Decoder<unknown>>>(shape: S): Decoder<{ [K in keyof S]: Decoded<S[K]> }> {
  return (raw, at) => {
    if (!isObject(raw)) {
      return fail(at, "object", raw);
    }
    const entries = Object.entries(shape).map(([key, inner]) => [key, inner(raw[key], `${at}.${key}`)]);
    return Object.fromEntries(entries) as { [K in keyof S]: Decoded<S[K]> };
  };
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export function page<T>(inner: Decoder<T>): Decoder<Page<T>> {
  return (raw, at) => object({ items: array(inner), next: nullable(str) })(raw, at);
}
