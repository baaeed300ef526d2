import { describe, expect, it } from "vitest";

import { initialPoll, nextDelayMs, pollFailed, pollSucceeded, viewKind } from "./poll";

const error = { kind: "network", message: "down" } as const;

describe("a view that refreshes itself", () => {
  it("is loading, then normal, then stale from the first failure, then normal again", () => {
    let poll = initialPoll<number>();
    expect(viewKind(poll, 5000, 0)).toBe("loading");
    poll = pollSucceeded(1, 1000);
    expect(viewKind(poll, 5000, 2000)).toBe("normal");
    poll = pollFailed(poll, error, 6000);
    expect(viewKind(poll, 5000, 6000)).toBe("stale");
    expect(poll.value).toBe(1);
    poll = pollFailed(poll, error, 12_000);
    expect(poll.failingSinceMs).toBe(6000);
    expect(viewKind(pollSucceeded(2, 13_000), 5000, 13_000)).toBe("normal");
  });

  it("is an error when there was never anything to show", () => {
    expect(viewKind(pollFailed(initialPoll<number>(), error, 1), 5000, 1)).toBe("error");
  });

  it("never shows old data as new: it is stale when nothing has come back for three intervals", () => {
    const poll = pollSucceeded(1, 0);
    expect(viewKind(poll, 5000, 20_000)).toBe("normal");
    expect(viewKind(poll, 5000, 20_001)).toBe("stale");
  });

  it("does not age what is loaded once", () => {
    expect(viewKind(pollSucceeded(1, 0), 0, 1e9)).toBe("normal");
  });

  it("backs off with jitter, within a minute, and obeys the collector's wait", () => {
    expect(nextDelayMs(5000, 0, undefined, 0.5)).toBe(5000);
    expect(nextDelayMs(5000, 1, undefined, 0)).toBe(2500);
    expect(nextDelayMs(5000, 1, undefined, 1)).toBe(10_000);
    expect(nextDelayMs(5000, 50, undefined, 1)).toBe(60_000);
    expect(nextDelayMs(5000, 1, 30_000, 0)).toBe(30_000);
    expect(nextDelayMs(5000, 1, 1000, 0)).toBe(5000);
  });
});
