// A channel in words.

import type { TFunction } from "i18next";

import type { Channel } from "../../api/channels";
import { LANGUAGE_NAMES } from "../../i18n";
import "../../i18n/work";

export type Said = Pick<Channel, "kind" | "to" | "url">;

export function channelSentence(channel: Said, t: TFunction): string {
  return channel.kind === "email" ? t("channel.says_email", { to: channel.to.join(t("work.and")) }) : t("channel.says_webhook", { url: channel.url });
}

export function versionSentence(channel: Said & Pick<Channel, "language">, t: TFunction): string {
  return `${channelSentence(channel, t)} · ${LANGUAGE_NAMES[channel.language]}`;
}
