// Signing in and out, and what belongs to oneself: language, password, sessions.

import { array, bool, nullable, num, object, oneOf, str, type Decoded } from "./decode";
import { getJson, nothing, send, type Result } from "./http";

export const LANGUAGES = ["zh-CN", "en"] as const;
export type Language = (typeof LANGUAGES)[number];

export const ROLES = ["administrator", "operator", "viewer"] as const;

export const decodeMe = object({
  name: str,
  display_name: str,
  role: oneOf(...ROLES),
  language: nullable(oneOf(...LANGUAGES)),
});
export type Me = Decoded<typeof decodeMe>;

export const decodeSession = object({ user: decodeMe, expires_unix_ms: num });
export type Session = Decoded<typeof decodeSession>;

export const decodeOwnSessions = object({
  items: array(
    object({
      id: str,
      created_unix_ms: num,
      last_seen_unix_ms: num,
      address: nullable(str),
      user_agent: nullable(str),
      current: bool,
    }),
  ),
});
export type OwnSession = Decoded<typeof decodeOwnSessions>["items"][number];

export function currentSession(signal?: AbortSignal): Promise<Result<Session>> {
  return getJson("/session", decodeSession, signal);
}

export function signIn(user: string, password: string): Promise<Result<Session>> {
  return send({ method: "POST", path: "/session", body: { user, password } }, decodeSession);
}

export function signOut(): Promise<Result<null>> {
  return send({ method: "DELETE", path: "/session" }, nothing);
}

export function setLanguage(language: Language): Promise<Result<null>> {
  return send({ method: "PATCH", path: "/session", body: { language } }, nothing);
}

export function changePassword(old: string, fresh: string): Promise<Result<null>> {
  return send({ method: "POST", path: "/session/password", body: { old, new: fresh } }, nothing);
}

export async function ownSessions(signal?: AbortSignal): Promise<Result<OwnSession[]>> {
  const res = await getJson("/sessions", decodeOwnSessions, signal);
  return res.ok ? { ok: true, value: res.value.items } : res;
}

export function revokeSession(id: string): Promise<Result<null>> {
  return send({ method: "DELETE", path: `/sessions/${encodeURIComponent(id)}` }, nothing);
}
