import { defineConfig } from "vitest/config";

// Apart from the build's configuration, which has to load without the development packages.
export default defineConfig({
  test: {
    // Most tests are of pure code; those that render say so in their first line.
    environment: "node",
    // Two slow cores shared with a build are no reason to fail.
    testTimeout: 120_000,
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/test/setup.ts"],
    // Node's own zone differs from machine to machine; nothing may depend on it.
    env: { TZ: "America/St_Johns" },
  },
});
