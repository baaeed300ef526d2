import { describe, expect, it } from "vitest";

import { readMessages, writeMessages } from "./messages";

const NONE = { state: null, channel: null, incident: null, before: null };

describe("which messages are shown", () => {
  it.each([
    ["", NONE], ["state=refused&channel=ops-mail&incident=7&before=90", { state: "refused", channel: "ops-mail", incident: 7, before: "90" }],
    ["state=lost&channel=&incident=x&before=-1", NONE], ["incident=0&before=1e9", NONE], ["incident=1.5", NONE],
  ])("%s", (query, shown) => expect(readMessages(new URLSearchParams(query))).toEqual(shown));

  it.each(["", "state=waiting", "state=refused&channel=%3Cb%3E&incident=7&before=90"])("goes back into the URL: %s", (query) => expect(writeMessages(readMessages(new URLSearchParams(query))).toString()).toBe(query));
});
