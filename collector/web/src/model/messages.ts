// Messages: which are shown, and what the URL says of it.

import { MESSAGE_STATES, type MessageState } from "../api/messages";

export interface ShownMessages {
  state: MessageState | null;
  channel: string | null;
  incident: number | null;
  /** Older than this one. */
  before: string | null;
}

const NUMBER = /^[1-9]\d{0,14}$/;

export function readMessages(params: URLSearchParams): ShownMessages {
  const [incident, before, channel] = [params.get("incident") ?? "", params.get("before") ?? "", params.get("channel")];
  return {
    state: MESSAGE_STATES.find((s) => s === params.get("state")) ?? null,
    channel: channel === "" ? null : channel,
    incident: NUMBER.test(incident) ? Number(incident) : null,
    before: NUMBER.test(before) ? before : null,
  };
}

export function writeMessages(shown: ShownMessages): URLSearchParams {
  const out = new URLSearchParams();
  for (const key of ["state", "channel", "incident", "before"] as const) {
    const value = shown[key];
    if (value !== null) {
      out.set(key, String(value));
    }
  }
  return out;
}

/** Still on its way: what became of it is not known yet. */
export function isUnderWay(message: { state: MessageState }): boolean {
  return message.state === "waiting";
}
