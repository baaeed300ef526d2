// Sites: the places.

import { bool, nullable, num, object, page, record, str, withDefault, type Decoded } from "./decode";
import { getAll, getJson, send, type Result } from "./http";

export const decodeSite = object({
  id: str,
  name: str,
  region: withDefault(str, ""),
  zone: str,
  lat: nullable(num),
  lon: nullable(num),
  tags: withDefault(record(str), {}),
  retired: bool,
  part: num,
  created_unix_ms: num,
  version: num,
});
export type Site = Decoded<typeof decodeSite>;
export const decodeSites = page(decodeSite);

export interface SiteDraft {
  name: string;
  region: string;
  zone: string;
  tags: Record<string, string>;
}

export function listSites(retired: boolean, signal?: AbortSignal): Promise<Result<Site[]>> {
  return getAll("/sites", { retired: retired ? "true" : null }, decodeSites, signal);
}

export function getSite(id: string, signal?: AbortSignal): Promise<Result<Site>> {
  return getJson(`/sites/${encodeURIComponent(id)}`, decodeSite, signal);
}

export function createSite(draft: SiteDraft): Promise<Result<Site>> {
  return send({ method: "POST", path: "/sites", body: draft }, decodeSite);
}

export function updateSite(site: Site, change: Partial<SiteDraft> & { retired?: boolean }): Promise<Result<Site>> {
  const path = `/sites/${encodeURIComponent(site.id)}`;
  return send({ method: "PATCH", path, body: change, version: site.version }, decodeSite);
}
