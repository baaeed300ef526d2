// Loads a value, then again every interval, with back-off when it fails, and not at all while the page is hidden.
// The request under way is aborted when the key changes or the view goes away.

import { useCallback, useEffect, useEffectEvent, useState } from "react";

import type { Result } from "../api/http";
import { initialPoll, nextDelayMs, pollFailed, pollSucceeded, viewKind, type Poll, type ViewKind } from "../model/poll";
import { useNowMs } from "./now";

export interface Polled<T> {
  poll: Poll<T>;
  kind: ViewKind;
  value: T | undefined;
  refresh: () => void;
}

interface Options {
  /** What is loaded; another key begins anew, unless `keep` shows the old value until the new one is there. */
  key: string;
  /** 0: load once. */
  intervalMs: number;
  enabled?: boolean;
  keep?: boolean;
}

export function usePoll<T>(load: (signal: AbortSignal) => Promise<Result<T>>, options: Options): Polled<T> {
  const { key, intervalMs, enabled = true, keep = false } = options;
  const [state, setState] = useState<{ key: string; poll: Poll<T> }>({ key, poll: initialPoll() });
  const [round, setRound] = useState(0);
  const onLoad = useEffectEvent(load);
  const now = useNowMs(5_000);

  useEffect(() => {
    if (!enabled) {
      return undefined;
    }
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;

    const schedule = (retryAfterMs: number | undefined): void => {
      if (intervalMs > 0 || failures > 0) {
        const base = intervalMs > 0 ? intervalMs : 5_000;
        timer = setTimeout(run, nextDelayMs(base, failures, retryAfterMs, Math.random()));
      }
    };
    const once = async (): Promise<void> => {
      const res = await onLoad(abort.signal);
      if (abort.signal.aborted) {
        return;
      }
      failures = res.ok ? 0 : failures + 1;
      const at = Date.now();
      setState((old) => {
        const poll = old.key === key || keep ? old.poll : initialPoll<T>();
        return { key, poll: res.ok ? pollSucceeded(res.value, at) : pollFailed(poll, res.error, at) };
      });
      // What is not there or not permitted does not appear by asking again.
      const isFinal = !res.ok && (res.error.status === 403 || res.error.status === 404);
      if (!isFinal) {
        schedule(res.ok ? undefined : res.error.retryAfterMs);
      }
    };
    function run(): void {
      timer = undefined;
      if (!document.hidden) {
        void once();
      }
    }
    const onVisible = (): void => {
      if (!document.hidden && timer === undefined && (intervalMs > 0 || failures > 0)) {
        timer = setTimeout(run, 0);
      }
    };
    void once();
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [key, intervalMs, enabled, keep, round]);

  const poll = state.key === key || keep ? state.poll : initialPoll<T>();
  const refresh = useCallback(() => setRound((n) => n + 1), []);
  return { poll, kind: viewKind(poll, intervalMs, now), value: poll.value, refresh };
}
