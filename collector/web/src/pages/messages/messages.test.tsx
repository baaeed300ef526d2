// @vitest-environment jsdom
// Messages: what became of each, in words; what others wrote is text.

import { render, screen } from "@testing-library/react";
import type { ReactElement } from "react";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";

import type { Message } from "../../api/messages";
import { startI18n, switchLanguage } from "../../i18n";
import { Session } from "../../ui/session";
import { MessageList } from "./list";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));

const T = Date.UTC(2026, 10, 28, 1, 20);
const message = (over: Partial<Message>): Message => ({
  id: 1, key: "page/7/mail", channel: "mail", channel_name: "Ops mail", kind: "page", site: "a", incident: 7, created_unix_ms: T, due_unix_ms: T, sent_unix_ms: null, tries: 0, state: "waiting",
  answer: "", subject: "S", text: "T", ...over,
});

function As({ isOperator, children }: { isOperator: boolean; children: ReactElement }): ReactElement {
  const me = { name: "x", display_name: "", role: isOperator ? "operator" as const : "viewer" as const, language: null };
  return <Session value={{ me, isAdministrator: false, isOperator, signOut: () => undefined, chooseLanguage: () => undefined }}>{children}</Session>;
}

function show(over: Partial<Message>, isOperator = true, withChannel = true): HTMLElement {
  return render(<As isOperator={isOperator}><MessageList messages={[message(over)]} zone="Asia/Shanghai" withIncident withChannel={withChannel} sites={new Map([["a", "Site A"]])} /></As>).container;
}

describe("a message", () => {
  it.each([
    [{}, ["Waiting", "due 2026-11-28 09:20:00", "0 tries"]],
    [{ tries: 2, due_unix_ms: T + 60_000 }, ["Waiting", "next try 2026-11-28 09:21:00", "2 tries"]],
    [{ state: "refused", tries: 1, answer: "550 no such user" }, ["Refused", "1 try", "550 no such user"]],
    [{ state: "given_up", tries: 9 }, ["Given up", "9 tries"]],
  ] as const)("%j says %j", (over, words) => {
    const text = show(over).textContent ?? "";
    for (const word of words) {
      expect(text).toContain(word);
    }
  });

  it("that was sent at the first try does not speak of tries above its details", () => {
    const container = show({ state: "sent", sent_unix_ms: T + 900, tries: 1 });
    expect(container.querySelector(".message-top")?.textContent).not.toContain("1 try");
    expect(container.querySelector("details")?.textContent).toContain("Tries1");
  });

  it("leads to its incident, its site and its channel", () => {
    show({});
    expect(screen.getByRole("link", { name: "Incident 7" }).getAttribute("href")).toBe("/incidents/7");
    expect(screen.getByRole("link", { name: "Site A" }).getAttribute("href")).toBe("/sites/a");
    expect(screen.getByRole("link", { name: "Ops mail" }).getAttribute("href")).toBe("/channels/mail");
  });

  it("does not lead viewers where they may not go", () => {
    show({}, false);
    expect(screen.queryByRole("link", { name: "Ops mail" })).toBeNull();
    expect(screen.getByText("Ops mail")).toBeTruthy();
  });

  it("names no channel where all are of one", () => expect(show({}, true, false).textContent).not.toContain("Ops mail"));

  it("shows what others wrote as text, and says what is not there", () => {
    const container = show({ subject: "<b>s</b>", text: "<i>t</i>", answer: "<u>a</u>" });
    expect(container.querySelector("b, i, u")).toBeNull();
    expect(container.textContent).toContain("<i>t</i>");
    expect(show({ subject: "", text: "" }).textContent).toContain("(no subject)(no text)");
  });
});
