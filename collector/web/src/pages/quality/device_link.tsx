// A device's id that leads to its charts, once it is known at which site it is.

import type { ReactElement } from "react";
import { Link } from "wouter";

export type SiteOf = (device: string) => string | undefined;

export function DeviceLink({ device, siteOf }: { device: string; siteOf: SiteOf }): ReactElement {
  const site = siteOf(device);
  return site === undefined ? <span className="is-broken">{device}</span> : <Link className="is-broken" href={`/sites/${encodeURIComponent(site)}?device=${encodeURIComponent(device)}`}>{device}</Link>;
}
