// Channels: where messages go.  A secret is written, never read, but for the one the collector made itself: it is in one answer, once.

import { array, bool, nullable, object, oneOf, page, str, withDefault, type Decoded } from "./decode";
import { changeDefinition, createDefinition, headShape, listDefinitions, listVersions, pathOf, type Draft } from "./definitions";
import { getJson, send, type Result } from "./http";
import { decodeMessage, type Message } from "./messages";
import { LANGUAGES } from "./session";

export const CHANNEL_KINDS = ["email", "webhook"] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

export const decodeChannel = object({
  ...headShape,
  kind: oneOf(...CHANNEL_KINDS),
  language: withDefault(oneOf(...LANGUAGES), "zh-CN"),
  to: withDefault(array(str), []),
  url: withDefault(str, ""),
  has_secret: withDefault(bool, false),
  secret: nullable(str),
});
export type Channel = Decoded<typeof decodeChannel>;
export const decodeChannels = page(decodeChannel);

export function listChannels(signal?: AbortSignal): Promise<Result<Channel[]>> {
  return listDefinitions("channels", decodeChannels, signal);
}

export function getChannel(id: string, signal?: AbortSignal): Promise<Result<Channel>> {
  return getJson(pathOf("channels", id), decodeChannel, signal);
}

export function channelVersions(id: string, signal?: AbortSignal): Promise<Result<Channel[]>> {
  return listVersions("channels", id, decodeChannels, signal);
}

export function createChannel(draft: Draft): Promise<Result<Channel>> {
  return createDefinition("channels", draft, decodeChannel);
}

export function changeChannel(channel: { id: string; version: number }, draft: Draft): Promise<Result<Channel>> {
  return changeDefinition("channels", channel, draft, decodeChannel);
}

/** The answer is the message on its way; what became of it stands in the list of messages. */
export function testChannel(id: string): Promise<Result<Message>> {
  return send({ method: "POST", path: `${pathOf("channels", id)}/test`, body: {} }, decodeMessage);
}
