// @vitest-environment jsdom
// The shared pieces and the sign-in page, as somebody reads and operates them.

import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import i18next from "i18next";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import { SignIn } from "../pages/signin/signin";
import { startI18n, switchLanguage } from "../i18n";
import { initialPoll, pollFailed, pollSucceeded } from "../model/poll";
import { Doubt } from "./doubt";
import { errorText } from "./error_text";
import { StateBadge } from "./state_badge";
import { themeFor } from "./theme";
import type { Polled } from "./use_poll";
import { View } from "./view";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));
afterEach(() => vi.unstubAllGlobals());

const network = { kind: "network", message: "x" } as const;
const refresh = vi.fn();
const polled = (over: Partial<Polled<string[]>>): Polled<string[]> => ({ poll: initialPoll(), kind: "loading", value: undefined, refresh, ...over });

function show(state: Polled<string[]>): void {
  render(<View polled={state} isEmpty={(v) => v.length === 0} empty={<p>nothing yet</p>}>{(v) => <p>{v.join()}</p>}</View>);
}

describe("a time that a clock was not sure of", () => {
  it("says by how much, in both languages, and why", async () => {
    render(<p>10:00:00<Doubt ms={2_400} /></p>);
    expect(screen.getByText(/± 3 s/).textContent).toContain("The device's clock was not surer than that");
    await switchLanguage("zh-CN");
    expect(screen.getByText(/± 3 秒/)).toBeTruthy();
  });

  it("says nothing where it was sure", () => {
    const { container } = render(<p><Doubt ms={999} /><Doubt ms={null} /></p>);
    expect(container.textContent).toBe("");
  });
});

describe("motion", () => {
  it.each([[true, false], [false, true]])("less of it wanted: %s, then menus move: %s", (isStill, moves) => {
    expect(themeFor(false, isStill).token?.motion).toBe(moves);
  });
});

describe("the five states of a view", () => {
  it("loading says so", () => {
    show(polled({}));
    expect(screen.getByRole("status").textContent).toContain("Loading");
  });

  it("error says what happened, and can be tried again", async () => {
    show(polled({ kind: "error", poll: pollFailed(initialPoll(), network, 1) }));
    expect(screen.getByRole("alert").textContent).toContain("does not answer");
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(refresh).toHaveBeenCalled();
  });

  it("empty is not an error", () => {
    show(polled({ kind: "normal", value: [], poll: pollSucceeded([], 1) }));
    expect(screen.getByText("nothing yet")).toBeTruthy();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("stale keeps the old data and says since when", () => {
    const at = Date.parse("2026-11-22T10:00:00Z");
    show(polled({ kind: "stale", value: ["old"], poll: pollFailed(pollSucceeded(["old"], at), network, at + 60_000) }));
    expect(screen.getByText("old")).toBeTruthy();
    expect(screen.getByRole("alert").textContent).toMatch(/has not answered since 2026-11-22 06:31:00.*from 2026-11-22 06:30:00/);
  });

  it("normal shows the data and nothing else", () => {
    show(polled({ kind: "normal", value: ["new"], poll: pollSucceeded(["new"], 1) }));
    expect(screen.getByText("new")).toBeTruthy();
    expect(screen.queryByRole("alert")).toBeNull();
  });
});

describe("states", () => {
  it.each(["up", "down", "unknown", "never", "late", "retired"] as const)("%s has a word and a shape", (state) => {
    const { container } = render(<StateBadge state={state} />);
    expect(container.textContent).not.toBe("");
    expect(container.querySelector("svg")).not.toBeNull();
  });
});

describe("errors in words", () => {
  it("say what the collector said, and which field", () => {
    const text = errorText({ kind: "http", status: 422, code: "invalid_field", message: "1 field", fields: [{ field: "zone", expected: "a zone", got: "x", suggestion: "Asia/Shanghai" }] }, i18next.t);
    expect(text).toBe("The collector did not accept this.\nzone: expected a zone (perhaps Asia/Shanghai)");
  });

  it("keep a code of a newer collector readable", () => {
    expect(errorText({ kind: "http", status: 507, code: "brand_new", message: "disk is full" }, i18next.t)).toBe("The collector reported an error of its own (HTTP 507).\nCollector: disk is full");
  });

  it("do not take a name for a template", () => {
    expect(errorText({ kind: "http", status: 404, code: "not_found", message: "no $t(app.name) {{x}}" }, i18next.t)).toContain("no $t(app.name) {{x}}");
  });
});

describe("signing in", () => {
  const problem = (status: number, code: string, headers: Record<string, string> = {}): Response => new Response(JSON.stringify({ code, detail: "d" }), { status, headers });

  async function tryWith(answer: Response): Promise<ReturnType<typeof vi.fn<(me: unknown) => void>>> {
    const onSignedIn = vi.fn<(me: unknown) => void>();
    vi.stubGlobal("fetch", () => Promise.resolve(answer));
    render(<SignIn ended={false} onSignedIn={onSignedIn} />);
    await userEvent.type(screen.getByLabelText("User name"), "admin");
    await userEvent.type(screen.getByLabelText("Password"), "secret{Enter}");
    return onSignedIn;
  }

  it("hands over who signed in", async () => {
    const user = { name: "admin", display_name: "A", role: "administrator", language: null };
    const onSignedIn = await tryWith(new Response(JSON.stringify({ user, expires_unix_ms: 1 })));
    expect(onSignedIn).toHaveBeenCalledWith(user);
  });

  it("does not say which of the two was wrong, and clears the password", async () => {
    await tryWith(problem(401, "wrong_credentials"));
    expect(screen.getByRole("alert").textContent).toBe("User name or password is not right.");
    expect(screen.getByLabelText<HTMLInputElement>("Password").value).toBe("");
  });

  it("tells the wait and does not send more meanwhile", async () => {
    await tryWith(problem(429, "too_many_requests", { "Retry-After": "30" }));
    expect((await screen.findByText(/Try again in \d+ s/)).textContent).toContain("Too many attempts");
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Sign in" }).disabled).toBe(true);
  });

  it("changes language while it is open", async () => {
    render(<SignIn ended onSignedIn={() => undefined} />);
    await userEvent.click(screen.getByRole("button", { name: "中文" }));
    expect(await screen.findByText("会话已结束，请重新登录。")).toBeTruthy();
    expect(document.documentElement.lang).toBe("zh-CN");
  });
});
