// Messages: what was sent, to which channel, and what the other side answered.

import { array, nullable, num, object, oneOf, str, withDefault, type Decoded } from "./decode";
import { cursor } from "./definitions";
import { getJson, queryString, type Result } from "./http";

export const MESSAGE_STATES = ["waiting", "sent", "refused", "given_up"] as const;
export type MessageState = (typeof MESSAGE_STATES)[number];
export const MESSAGE_KINDS = ["page", "ended", "withdrawn", "digest", "test"] as const;

export const decodeMessage = object({
  id: num,
  key: withDefault(str, ""),
  channel: str,
  channel_name: withDefault(str, ""),
  kind: oneOf(...MESSAGE_KINDS),
  site: nullable(str),
  incident: nullable(num),
  created_unix_ms: num,
  due_unix_ms: nullable(num),
  sent_unix_ms: nullable(num),
  tries: num,
  state: oneOf(...MESSAGE_STATES),
  answer: withDefault(str, ""),
  subject: withDefault(str, ""),
  text: withDefault(str, ""),
});
export type Message = Decoded<typeof decodeMessage>;

export const decodeMessages = object({ items: array(decodeMessage), next: cursor });
export type Messages = Decoded<typeof decodeMessages>;

export interface MessageFilter {
  state?: string | null;
  channel?: string | null;
  incident?: number | null;
  before?: string | null;
}

export function listMessages(filter: MessageFilter, signal?: AbortSignal): Promise<Result<Messages>> {
  return getJson(`/messages${queryString({ ...filter, limit: 100 })}`, decodeMessages, signal);
}
