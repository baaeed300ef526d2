// Devices: one agent's identity at a site.

import { bool, nullable, num, object, oneOf, page, str, withDefault, type Decoded } from "./decode";
import { getAll, send, type Result } from "./http";

export const DEVICE_STATES = ["up", "down", "unknown", "never", "retired"] as const;
export type DeviceState = (typeof DEVICE_STATES)[number];

export const decodeDevice = object({
  id: str,
  name: str,
  site: str,
  part: num,
  retired: bool,
  since_unix_ms: nullable(num),
  created_unix_ms: num,
  version: num,
  certificate: nullable(object({ serial: str, not_after_unix_ms: num })),
  state: oneOf(...DEVICE_STATES),
  state_since_unix_ms: nullable(num),
  presence: nullable(oneOf("online", "offline")),
  last_seen_unix_ms: nullable(num),
  data_until_unix_ms: nullable(num),
  software: nullable(str),
  spool: nullable(str),
  clock: nullable(oneOf("trusted", "unknown")),
  gaps: withDefault(num, 0),
  set_aside: withDefault(num, 0),
  conflict: withDefault(bool, false),
});
export type Device = Decoded<typeof decodeDevice>;
export const decodeDevices = page(decodeDevice);

const decodeMoved = object({ note: nullable(str) });

export interface DeviceFilter {
  site?: string;
  retired?: boolean;
}

export function listDevices(filter: DeviceFilter, signal?: AbortSignal): Promise<Result<Device[]>> {
  return getAll("/devices", { ...filter, retired: filter.retired === true ? "true" : null }, decodeDevices, signal);
}

export function updateDevice(device: Device, change: { name?: string; retired?: boolean }): Promise<Result<Device>> {
  const path = `/devices/${encodeURIComponent(device.id)}`;
  return send({ method: "PATCH", path, body: change, version: device.version }, decodeDevice);
}

/** The answer is a note for people, such as that the certificate has to be issued anew. */
export async function moveDevice(id: string, site: string): Promise<Result<string | null>> {
  const path = `/devices/${encodeURIComponent(id)}/move`;
  const res = await send({ method: "POST", path, body: { site } }, decodeMoved);
  return res.ok ? { ok: true, value: res.value.note } : res;
}
