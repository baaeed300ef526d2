// @vitest-environment jsdom
// Channels: what is written when one is made or changed, the secret that is shown once, and a test as it goes on.

import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { App } from "antd";
import i18next from "i18next";
import type { ReactElement } from "react";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import type { Channel } from "../../api/channels";
import type { Message } from "../../api/messages";
import { startI18n, switchLanguage } from "../../i18n";
import { ChannelForm } from "./channel_form";
import { SecretDialog } from "./secret";
import { Progress } from "./trial";
import { channelSentence } from "./words";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));
afterEach(() => vi.unstubAllGlobals());

const T = Date.UTC(2026, 10, 28);
const fill = (label: string, text: string): void => { fireEvent.change(screen.getByLabelText(label), { target: { value: text } }); };
const hook: Channel = {
  id: "hook", name: "Hook", version: 3, enabled: true, from_unix_ms: T, author: "admin", created_unix_ms: T, kind: "webhook", language: "en", to: [], url: "https://x.example.com/a", has_secret: true, secret: null,
};

/** Answers every request with `answer(body)` and keeps what was written. */
function collector(answer: (n: number) => unknown): { bodies: Record<string, unknown>[] } {
  const bodies: Record<string, unknown>[] = [];
  let n = 0;
  vi.stubGlobal("fetch", (_: string, init?: RequestInit) => {
    if (typeof init?.body === "string") {
      bodies.push(JSON.parse(init.body) as Record<string, unknown>);
    }
    return Promise.resolve(new Response(JSON.stringify(answer(n++))));
  });
  return { bodies };
}

function form(channel: Channel | null, onSaved: (channel: Channel, secret: string | null) => void): ReactElement {
  return <App><ChannelForm channel={channel} onClose={() => undefined} onSaved={onSaved} /></App>;
}

describe("a channel in words", () => {
  it.each([
    [{ ...hook, kind: "email", to: ["a@x", "b@x"] }, "E-mail to a@x, b@x", "邮件发至 a@x、b@x"],
    [hook, "Webhook to https://x.example.com/a", "Webhook 发至 https://x.example.com/a"],
  ] as const)("%#", async (channel, en, zh) => {
    expect(channelSentence({ ...channel, to: [...channel.to] }, i18next.t)).toBe(en);
    await switchLanguage("zh-CN");
    expect(channelSentence({ ...channel, to: [...channel.to] }, i18next.t)).toBe(zh);
  });
});

describe("the form", () => {
  it("writes a new e-mail channel", async () => {
    const { bodies } = collector(() => ({ ...hook, kind: "email" }));
    const saved = vi.fn();
    render(form(null, saved));
    fill("Name", "Ops");
    fill("To", "ops@example.com\nduty@example.com");
    fireEvent.click(screen.getByText("Save"));
    await waitFor(() => expect(saved).toHaveBeenCalledOnce());
    expect(bodies).toEqual([{ name: "Ops", kind: "email", language: "zh-CN", to: ["ops@example.com", "duty@example.com"] }]);
    expect(saved.mock.calls[0]?.[1]).toBeNull();
  });

  it("does not write what is no address", async () => {
    const { bodies } = collector(() => hook);
    render(form(null, () => undefined));
    fill("Name", "Ops");
    fill("To", "ops");
    fireEvent.click(screen.getByText("Save"));
    expect(await screen.findByText("“ops” is not an e-mail address.")).toBeTruthy();
    expect(bodies).toEqual([]);
  });

  it("hands on the secret that the collector made", async () => {
    collector(() => ({ ...hook, secret: "whsec_made" }));
    const saved = vi.fn();
    render(form(null, saved));
    fill("Name", "Hook");
    fireEvent.click(screen.getByLabelText(/^Webhook/));
    await screen.findByLabelText("URL");
    fill("URL", "https://x.example.com/a");
    fireEvent.click(screen.getByText("Save"));
    await waitFor(() => expect(saved).toHaveBeenCalledOnce());
    expect(saved.mock.calls[0]?.[1]).toBe("whsec_made");
  });

  it.each([["Keep the one it has", null], ["Make a new one", /^whsec_[A-Za-z0-9+/]{43}=$/]] as const)("changing a webhook: %s", async (choice, secret) => {
    const { bodies } = collector(() => hook);
    const saved = vi.fn();
    render(form(hook, saved));
    fireEvent.click(screen.getByLabelText(choice));
    fireEvent.click(screen.getByText("Save"));
    await waitFor(() => expect(saved).toHaveBeenCalledOnce());
    const shown = saved.mock.calls[0]?.[1] as string | null;
    expect(bodies[0]).not.toHaveProperty("kind");
    expect(bodies[0]?.["secret"] ?? null).toBe(shown);
    if (secret === null) {
      expect(shown).toBeNull();
    } else {
      expect(shown).toMatch(secret);
    }
  });
});

it("the secret goes away only when somebody has it", async () => {
  const close = vi.fn();
  render(<SecretDialog made={{ name: "Hook", secret: "whsec_x" }} onClose={close} />);
  expect(screen.getByText("whsec_x")).toBeTruthy();
  expect(screen.getByText("Copy")).toBeTruthy();
  await userEvent.keyboard("{Escape}");
  expect(close).not.toHaveBeenCalled();
  fireEvent.click(screen.getByText("I have stored it"));
  expect(close).toHaveBeenCalledOnce();
});

const waiting: Message = {
  id: 9, key: "test/hook/1", channel: "hook", channel_name: "Hook", kind: "test", site: null, incident: null, created_unix_ms: T, due_unix_ms: T, sent_unix_ms: null, tries: 0, state: "waiting",
  answer: "", subject: "S", text: "T",
};

describe("a test", () => {
  it("is followed until its outcome, with the other side's words as they are", async () => {
    collector((n) => ({ items: [n === 0 ? waiting : { ...waiting, state: "refused", tries: 1, answer: "HTTP 401: <b>no</b>" }], next: null }));
    const { container } = render(<Progress first={waiting} />);
    expect(screen.getByText("The message is on its way…")).toBeTruthy();
    expect(await screen.findByText("Refused")).toBeTruthy();
    expect(container.querySelector(".is-raw")?.textContent).toBe("HTTP 401: <b>no</b>");
    expect(container.querySelector("b")).toBeNull();
  });

  it("that did not get through says when it is tried again", async () => {
    collector(() => ({ items: [{ ...waiting, tries: 2, answer: "connection refused" }], next: null }));
    render(<Progress first={waiting} />);
    expect(await screen.findByText(/^2 tries did not get through\. The next one is at /)).toBeTruthy();
    expect(screen.getByText("connection refused")).toBeTruthy();
  });
});
