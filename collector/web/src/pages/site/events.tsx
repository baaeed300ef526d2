// What happened at the device in the range shown: starts, clock steps, probes changing state.

import { useRef, type ReactElement } from "react";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";

import { serverNowMs } from "../../api/http";
import { listEvents, type DeviceEvent } from "../../api/telemetry";
import { useSeen } from "../../chart/use_seen";
import { formatDateTime } from "../../model/time";
import { resolveRange, type TimeRange } from "../../model/url_state";
import { Age } from "../../ui/age";
import { Doubt } from "../../ui/doubt";
import { usePoll } from "../../ui/use_poll";
import { View } from "../../ui/view";

const MOST = 50;

const NAMES = {
  "agent.start": "agent_start",
  "agent.stop": "agent_stop",
  "clock.disagrees": "clock_disagrees",
  "clock.jump": "clock_jump",
  "clock.steady": "clock_steady",
  "clock.step": "clock_step",
  "clock.synced": "clock_synced",
  "clock.unsynced": "clock_unsynced",
  "clock.wild": "clock_wild",
  "config.loaded": "config_loaded",
  "plugin.state": "plugin_state",
  "probe.state": "probe_state",
  "spool.damaged": "spool_damaged",
  "spool.disk": "spool_disk",
  "spool.recovered": "spool_recovered",
  "step.begin": "step_begin",
  "step.end": "step_end",
  "step.event": "step_event",
} as const;

function eventName(type: string, t: TFunction): string {
  const known = Object.entries(NAMES).find(([name]) => name === type);
  return known === undefined ? type : t(`event.${known[1]}`);
}

function detailText(attrs: Record<string, unknown>): string {
  return Object.entries(attrs)
    .map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" · ");
}

function Row({ event, zone }: { event: DeviceEvent; zone: string }): ReactElement {
  const { t } = useTranslation();
  return (
    <li className="event">
      <span className="event-time">{event.unix_ms === null ? t("time.unknown") : formatDateTime(event.unix_ms, zone)}<Doubt ms={event.uncertainty_ms} /></span>
      <span className="event-name">{eventName(event.type, t)}</span>
      <span className="event-detail">{detailText(event.attrs)}</span>
      {event.arrived_unix_ms !== null && <span className="event-arrived is-faint">{t("event.arrived")} <Age unixMs={event.arrived_unix_ms} zone={zone} /></span>}
    </li>
  );
}

export function Events({ device, range, zone }: { device: string; range: TimeRange; zone: string }): ReactElement {
  const { t } = useTranslation();
  const section = useRef<HTMLElement>(null);
  const isSeen = useSeen(section);
  const polled = usePoll(
    (signal) => {
      const { fromMs, toMs } = resolveRange(range, serverNowMs());
      return listEvents(device, Math.floor(fromMs), Math.ceil(toMs), MOST, signal);
    },
    { key: `${device}|${JSON.stringify(range)}`, intervalMs: "last" in range ? 15_000 : 0, enabled: isSeen, keep: true },
  );
  return (
    <section ref={section} className="panel" id="events">
      <h2>{t("site.events")}</h2>
      {(isSeen || polled.value !== undefined) && (
        <View polled={polled} isEmpty={(e) => e.length === 0} empty={<p className="is-faint">{t("site.no_events")}</p>}>
          {(events) => (
            <ul className="events">
              {events.map((e, i) => <Row key={`${e.unix_ms ?? ""}:${e.type}:${i}`} event={e} zone={zone} />)}
            </ul>
          )}
        </View>
      )}
    </section>
  );
}
