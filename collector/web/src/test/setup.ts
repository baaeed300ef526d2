// What jsdom lacks; nothing in tests of pure code.

import { afterEach } from "vitest";

class NoObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

function noMedia(query: string): MediaQueryList {
  return {
    matches: false,
    media: query,
    onchange: null,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    addListener: () => undefined,
    removeListener: () => undefined,
    dispatchEvent: () => false,
  };
}

if (typeof window !== "undefined") {
  window.matchMedia = noMedia;
  Object.assign(globalThis, { ResizeObserver: NoObserver, IntersectionObserver: NoObserver });
  const { cleanup, configure } = await import("@testing-library/react");
  // What a click brings about is waited for: the machine may do something else for some seconds.
  configure({ asyncUtilTimeout: 20_000 });
  afterEach(cleanup);
}
