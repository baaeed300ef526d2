// Who can be assigned an incident.

import { array, object, str, withDefault, type Decoded } from "./decode";
import { getJson, type Result } from "./http";

export const decodePeople = object({ items: array(object({ name: str, display_name: withDefault(str, "") })) });
export type Person = Decoded<typeof decodePeople>["items"][number];

export async function listPeople(signal?: AbortSignal): Promise<Result<Person[]>> {
  const res = await getJson("/people", decodePeople, signal);
  return res.ok ? { ok: true, value: res.value.items } : res;
}
