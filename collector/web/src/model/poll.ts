// What a view that refreshes itself knows: pure, so that every state of it can be tested without a network.

import type { ApiError } from "../api/http";

export interface Poll<T> {
  value: T | undefined;
  /** When the value shown was received (browser clock). */
  atMs: number | undefined;
  /** Why the last attempt failed; undefined when it did not. */
  error: ApiError | undefined;
  /** Since when attempts fail. */
  failingSinceMs: number | undefined;
  failures: number;
}

export function initialPoll<T>(): Poll<T> {
  return { value: undefined, atMs: undefined, error: undefined, failingSinceMs: undefined, failures: 0 };
}

export function pollSucceeded<T>(value: T, nowMs: number): Poll<T> {
  return { value, atMs: nowMs, error: undefined, failingSinceMs: undefined, failures: 0 };
}

/** The old value stays: it is shown as stale, with its age, rather than taken away. */
export function pollFailed<T>(poll: Poll<T>, error: ApiError, nowMs: number): Poll<T> {
  return { ...poll, error, failingSinceMs: poll.failingSinceMs ?? nowMs, failures: poll.failures + 1 };
}

export type ViewKind = "loading" | "error" | "stale" | "normal";

/**
 * Stale as soon as an attempt failed, and also when none has come back for three intervals (a laptop that slept, a hung server).
 */
export function viewKind<T>(poll: Poll<T>, intervalMs: number, nowMs: number): ViewKind {
  if (poll.value === undefined || poll.atMs === undefined) {
    return poll.error === undefined ? "loading" : "error";
  }
  const tooOld = intervalMs > 0 && nowMs - poll.atMs > 3 * intervalMs + 5_000;
  return poll.error !== undefined || tooOld ? "stale" : "normal";
}

const LONGEST_MS = 60_000;

/** Exponential with full jitter above the interval, so that a server that comes back is not met by everyone at once. */
export function nextDelayMs(intervalMs: number, failures: number, retryAfterMs: number | undefined, random: number): number {
  if (retryAfterMs !== undefined && failures > 0) {
    return Math.min(Math.max(retryAfterMs, intervalMs), 10 * LONGEST_MS);
  }
  if (failures === 0) {
    return intervalMs;
  }
  const ceiling = Math.min(LONGEST_MS, intervalMs * 2 ** Math.min(failures, 10));
  return Math.round(intervalMs / 2 + random * (ceiling - intervalMs / 2));
}
