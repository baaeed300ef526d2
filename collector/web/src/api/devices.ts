// Devices: one agent's identity at a site.

import { array, bool, nullable, num, object, oneOf, page, str, withDefault, type Decoded } from "./decode";
import { getAll, getJson, send, type Result } from "./http";

export const DEVICE_STATES = ["up", "down", "unknown", "never", "retired"] as const;
export type DeviceState = (typeof DEVICE_STATES)[number];

const streamName = oneOf("events", "probes", "host");
const decodeWaiting = nullable(object({ batches: num, bytes: num, samples: num, oldest_age_ms: nullable(num) }));

const decodeReportClock = object({
  source: oneOf("untrusted", "ntp", "centre"),
  wall_minus_map_ms: num,
  uncertainty_ms: num,
  wall_usable: bool,
  floor_lifted: bool,
  drift_ppb: num,
  steps: num,
});
export type ReportClock = Decoded<typeof decodeReportClock>;

/** What a device last said of itself. */
const decodeReport = object({
  at_unix_ms: num,
  backlog: object({ events: decodeWaiting, probes: decodeWaiting, host: decodeWaiting }),
  clock: nullable(decodeReportClock),
  link: nullable(object({
    transport: oneOf("tcp", "websocket"),
    via_proxy: bool,
    local_address: nullable(str),
    max_packet_bytes: nullable(num),
    connections: num,
    rtt_ms: nullable(num),
    rate_bytes_per_s: nullable(num),
  })),
  budget: nullable(object({ bytes_per_hour: nullable(num), used_bytes: num, held: array(streamName), opens_unix_ms: nullable(num) })),
  sampling: nullable(object({
    safe_mode: bool,
    whole_unix_ms: nullable(num),
    series_refused: num,
    samples_refused: num,
    probe_results_dropped: num,
  })),
});
export type DeviceReport = Decoded<typeof decodeReport>;

const decodeMonth = object({
  month: str,
  in_bytes: num,
  out_bytes: num,
  events_bytes: num,
  probes_bytes: num,
  host_bytes: num,
  other_bytes: num,
  known_unix_ms: num,
});
export type UsedMonth = Decoded<typeof decodeMonth>;
export const decodeUsage = object({ items: array(decodeMonth) });

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
  waiting_batches: withDefault(num, 0),
  conflict: withDefault(bool, false),
  /** Only where one device is asked for. */
  report: nullable(decodeReport),
});
export type Device = Decoded<typeof decodeDevice>;
export const decodeDevices = page(decodeDevice);

/** Several machines take turns with one identity; null: there is none. Only in the answer to a single device. */
export const decodeIdentity = object({
  identity_conflict: nullable(object({
    machines: array(object({ address: nullable(str), software: str, boot: str, last_unix_ms: num, returns: num })),
    since_unix_ms: num,
    last_unix_ms: num,
    returns: num,
  })),
});
export type IdentityConflict = NonNullable<Decoded<typeof decodeIdentity>["identity_conflict"]>;

export function getIdentity(device: string, signal?: AbortSignal): Promise<Result<Decoded<typeof decodeIdentity>>> {
  return getJson(`/devices/${encodeURIComponent(device)}`, decodeIdentity, signal);
}

const decodeMoved = object({ note: nullable(str) });

export interface DeviceFilter {
  site?: string;
  retired?: boolean;
}

export function listDevices(filter: DeviceFilter, signal?: AbortSignal): Promise<Result<Device[]>> {
  return getAll("/devices", { ...filter, retired: filter.retired === true ? "true" : null }, decodeDevices, signal);
}

export function getDevice(id: string, signal?: AbortSignal): Promise<Result<Device>> {
  return getJson(`/devices/${encodeURIComponent(id)}`, decodeDevice, signal);
}

/** By month, the newest first. */
export async function getUsage(id: string, signal?: AbortSignal): Promise<Result<UsedMonth[]>> {
  const res = await getJson(`/devices/${encodeURIComponent(id)}/usage`, decodeUsage, signal);
  return res.ok ? { ok: true, value: res.value.items } : res;
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
