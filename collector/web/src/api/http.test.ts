import { afterEach, describe, expect, it, vi } from "vitest";

import { num, object, page, record, str } from "./decode";
import { getAll, getJson, onSignedOut, queryString, send, serverNowMs } from "./http";

const answer = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(status === 204 ? null : typeof body === "string" ? body : JSON.stringify(body), { status, headers });

function serve(...answers: (Response | Error)[]): { calls: [string, RequestInit][] } {
  const calls: [string, RequestInit][] = [];
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    calls.push([url, init]);
    const next = answers.shift();
    return next instanceof Response ? Promise.resolve(next) : Promise.reject(next ?? new Error("no more answers"));
  });
  return { calls };
}

afterEach(() => vi.unstubAllGlobals());

const thing = object({ n: num });

describe("errors are data", () => {
  it("a dead server is a network error", async () => {
    serve(new TypeError("fetch failed"));
    expect(await getJson("/x", thing)).toEqual({ ok: false, error: { kind: "network", message: "fetch failed" } });
  });

  it("a problem document gives code, sentence, fields and wait", async () => {
    serve(answer(429, { code: "too_many_requests", detail: "slow down", errors: [{ field: "zone", expected: "a zone", got: "Mars", suggestion: null }] }, { "Retry-After": "7" }));
    expect(await getJson("/x", thing)).toMatchObject({
      ok: false,
      error: { kind: "http", status: 429, code: "too_many_requests", message: "slow down", retryAfterMs: 7000, fields: [{ field: "zone", expected: "a zone" }] },
    });
  });

  it("a proxy's page is still an http error", async () => {
    serve(answer(502, "<html>bad gateway</html>"));
    expect(await getJson("/x", thing)).toMatchObject({ ok: false, error: { kind: "http", status: 502 } });
  });

  it("an answer of another shape names the place", async () => {
    serve(answer(200, { n: "1" }));
    expect(await getJson("/x", thing)).toEqual({ ok: false, error: { kind: "shape", message: "answer.n: expected number, got string" } });
    serve(answer(200, "not json"));
    expect(await getJson("/x", thing)).toMatchObject({ ok: false, error: { kind: "shape" } });
  });

  it("a lost session is told once, a wrong password is not a lost session", async () => {
    const told = vi.fn();
    onSignedOut(told);
    serve(answer(401, { code: "wrong_credentials" }), answer(401, { code: "not_signed_in" }));
    await getJson("/x", thing);
    expect(told).not.toHaveBeenCalled();
    await getJson("/x", thing);
    expect(told).toHaveBeenCalledOnce();
  });
});

describe("requests", () => {
  it("carry the version a change was based on, and say that they are JSON", async () => {
    const { calls } = serve(answer(200, { n: 1 }));
    await send({ method: "PATCH", path: "/sites/a", body: { name: "x" }, version: 3 }, thing);
    expect(calls[0]?.[0]).toBe("/api/v1/sites/a");
    expect(calls[0]?.[1]).toMatchObject({ method: "PATCH", body: '{"name":"x"}', credentials: "same-origin", headers: { "If-Match": '"3"', "Content-Type": "application/json" } });
  });

  it("follow a list to its end", async () => {
    const { calls } = serve(answer(200, { items: [{ n: 1 }], next: "a b" }), answer(200, { items: [{ n: 2 }], next: null }));
    expect(await getAll("/things", {}, page(thing))).toEqual({ ok: true, value: [{ n: 1 }, { n: 2 }] });
    expect(calls.map(([url]) => url)).toEqual(["/api/v1/things?limit=1000", "/api/v1/things?limit=1000&after=a+b"]);
  });

  it("leave out what is not set", () => {
    expect(queryString({ a: 1, b: null, c: undefined, d: "", e: "x&y" })).toBe("?a=1&e=x%26y");
    expect(queryString({ a: null })).toBe("");
  });

  it("learn the collector's clock when the own one is off", async () => {
    const ahead = 3_600_000;
    serve(answer(200, { n: 1 }, { Date: new Date(Date.now() + ahead).toUTCString() }));
    await getJson("/x", thing);
    expect(Math.abs(serverNowMs() - Date.now() - ahead)).toBeLessThan(60_000);
    serve(answer(200, { n: 1 }, { Date: new Date().toUTCString() }));
    await getJson("/x", thing);
    expect(Math.abs(serverNowMs() - Date.now())).toBeLessThan(60_000);
  });
});

describe("maps with free keys", () => {
  it("hold keys such as __proto__ as keys", () => {
    const tags = record(str)(JSON.parse('{"__proto__":"x","constructor":"y"}'), "tags");
    expect(Object.entries(tags)).toEqual([["__proto__", "x"], ["constructor", "y"]]);
    expect(Object.getPrototypeOf(tags)).toBeNull();
  });
});
