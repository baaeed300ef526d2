// Users, for administrators.

import { bool, nullable, object, oneOf, page, str, withDefault, type Decoded } from "./decode";
import { getAll, nothing, send, type Result } from "./http";
import { LANGUAGES, ROLES } from "./session";

export const decodeUser = object({
  name: str,
  display_name: str,
  role: oneOf(...ROLES),
  language: nullable(oneOf(...LANGUAGES)),
  disabled: withDefault(bool, false),
});
export type User = Decoded<typeof decodeUser>;
export const decodeUsers = page(decodeUser);

const decodeNewUser = object({ initial_password: nullable(str) });

export interface UserDraft {
  name: string;
  display_name: string;
  role: User["role"];
  language?: NonNullable<User["language"]>;
}

export function listUsers(signal?: AbortSignal): Promise<Result<User[]>> {
  return getAll("/users", {}, decodeUsers, signal);
}

/** The answer is the password the collector made up; it is shown once and stored nowhere. */
export async function createUser(draft: UserDraft): Promise<Result<string | null>> {
  const res = await send({ method: "POST", path: "/users", body: draft }, decodeNewUser);
  return res.ok ? { ok: true, value: res.value.initial_password } : res;
}

export function updateUser(name: string, change: Partial<Omit<User, "name">>): Promise<Result<null>> {
  return send({ method: "PATCH", path: `/users/${encodeURIComponent(name)}`, body: change }, nothing);
}

export function deleteUser(name: string): Promise<Result<null>> {
  return send({ method: "DELETE", path: `/users/${encodeURIComponent(name)}` }, nothing);
}
