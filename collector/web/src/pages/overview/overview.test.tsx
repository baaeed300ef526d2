// @vitest-environment jsdom
import { render, screen, within } from "@testing-library/react";
import { beforeAll, describe, expect, it } from "vitest";

import type { Overview, OverviewSite } from "../../api/overview";
import { startI18n } from "../../i18n";
import { Matter, Meter, SiteName } from "./cells";
import { Counters, Headline } from "./counters";

beforeAll(() => startI18n("en"));

const NOW = 1_795_000_000_000;
const HOSTILE = `<img src=x onerror="window.__xss=1"><script>window.__xss=1</script>`;

function site(over: Partial<OverviewSite> = {}): OverviewSite {
  return {
    id: "a", name: "A", region: "", zone: "UTC", tags: {}, state: "up", devices: { up: 1, down: 0, unknown: 0, never: 0 }, data_until_unix_ms: NOW, last_seen_unix_ms: NOW,
    oldest_data_until_unix_ms: NOW, probes: { ok: 1, failing: 0, unknown: 0 }, backlog: { devices: 0, batches: 0 }, cpu_used_pct: 1, memory_used_pct: 1, incidents: { info: 0, warning: 0, critical: 0 }, ...over,
  };
}

function overview(sites: OverviewSite[]): Overview {
  const of = (state: string): number => sites.filter((s) => s.state === state).length;
  return { now_unix_ms: NOW, sites, identity_conflicts: [], totals: { sites: sites.length, up: of("up"), down: of("down"), unknown: of("unknown"), never: of("never"), devices: sites.length } };
}

describe("the headline", () => {
  it("says that all is well only when it is", () => {
    render(<Headline overview={overview([site(), site({ id: "b" })])} nowMs={NOW} />);
    expect(screen.getByText("All 2 sites are up and current.")).toBeTruthy();
  });

  it("names what is wrong first, then what is not known, then what is late", () => {
    const sites = [site(), site({ state: "down" }), site({ state: "unknown" }), site({ oldest_data_until_unix_ms: NOW - 600_000 }), site({ state: "never" })];
    render(<Headline overview={overview(sites)} nowMs={NOW} />);
    expect(screen.getByText("1 site down, 1 not known, 1 late, 2 up, 1 never seen.")).toBeTruthy();
  });
});

describe("the counters", () => {
  it("are buttons with number and word", () => {
    render(<Counters overview={overview([site({ state: "unknown" })])} nowMs={NOW} active="unknown" onPick={() => undefined} />);
    const button = screen.getByRole("button", { name: /Unknown/, pressed: true });
    expect(within(button).getByText("1")).toBeTruthy();
  });
});

describe("a site's cells", () => {
  it("show a name with markup as text", () => {
    const { container } = render(<SiteName site={site({ name: HOSTILE, region: HOSTILE, tags: { [HOSTILE]: HOSTILE } })} />);
    expect(container.querySelector("img, script")).toBeNull();
    expect(container.textContent).toContain(HOSTILE);
  });

  it("link to an id as it is, never out of the app", () => {
    render(<SiteName site={site({ id: "../javascript:alert(1)" })} />);
    expect(screen.getByRole("link").getAttribute("href")).toBe("/sites/..%2Fjavascript%3Aalert(1)");
  });

  it("say for how long a silent site has not been heard", () => {
    render(<Matter site={site({ state: "unknown", last_seen_unix_ms: NOW - 7_200_000 })} nowMs={NOW} />);
    expect(screen.getByText("Not heard for 2 h")).toBeTruthy();
  });

  it("say that a site is filling in, and how much is still to come", () => {
    render(<Matter site={site({ backlog: { devices: 1, batches: 1386 } })} nowMs={NOW} />);
    expect(screen.getByText("Filling in: 1,386 batches still to come")).toBeTruthy();
  });

  it("show an unknown percentage as unknown, not as an empty bar", () => {
    const { container } = render(<><Meter value={null} isCurrent label="CPU" /><Meter value={40} isCurrent={false} label="CPU" /></>);
    expect(container.querySelectorAll(".meter.is-unknown")).toHaveLength(2);
    expect(container.querySelector(".meter-bar")).toBeNull();
  });
});
