import { defineConfig } from "vite";

// The collector serves dist/ at "/".  Scripts are files with hashed names, never inline, so that the
// Content-Security-Policy needs no exception for them.
export default defineConfig({
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      // antd marks its files for servers that render React; here there is none, and 300 warnings would hide a real one.
      onLog(level, log, handler) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") {
          handler(level, log);
        }
      },
      output: {
        // antd and React change with their versions, not with ours: long-cached chunks of their own.
        codeSplitting: {
          groups: [
            { name: "react", test: /node_modules\/(react|react-dom|scheduler|i18next|react-i18next|wouter)\// },
            { name: "uplot", test: /node_modules\/uplot\// },
          ],
        },
      },
    },
  },
  server: {
    // `npm run dev` against a running collector: BRANCHLINE_URL=https://localhost:8443 npm run dev
    proxy: {
      "/api": { target: process.env["BRANCHLINE_URL"] ?? "https://localhost:8443", changeOrigin: true, secure: false },
    },
  },
});
