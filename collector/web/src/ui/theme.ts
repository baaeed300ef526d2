// antd in our colours, light and dark.  The numbers are those of styles.css; what antd's defaults leave below 4.5:1 is set here.

import { theme, type ThemeConfig } from "antd";
import { useSyncExternalStore } from "react";

function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const list = window.matchMedia(query);
      list.addEventListener("change", changed);
      return () => list.removeEventListener("change", changed);
    },
    () => window.matchMedia(query).matches,
  );
}

export function useIsDark(): boolean {
  return useMedia("(prefers-color-scheme: dark)");
}

export function useIsNarrow(): boolean {
  return useMedia("(max-width: 860px)");
}

/** Whoever asks the system for less motion gets menus and dialogues that are there at once. */
export function useIsStill(): boolean {
  return useMedia("(prefers-reduced-motion: reduce)");
}

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif';

export function themeFor(isDark: boolean, isStill: boolean): ThemeConfig {
  const light = {
    colorPrimary: "#1d4f91",
    colorInfo: "#1d4f91",
    colorLink: "#1d4f91",
    colorSuccess: "#17693a",
    colorError: "#b3201a",
    colorWarning: "#8a4a00",
    colorText: "#17202e",
    colorTextSecondary: "#51607a",
    colorTextTertiary: "#5a6880",
    colorTextDescription: "#51607a",
    colorTextPlaceholder: "#66738a",
    colorBorder: "#b9c3d2",
    colorBorderSecondary: "#dce2eb",
    colorBgContainer: "#ffffff",
    colorBgLayout: "#f4f6f9",
  };
  const dark = {
    colorPrimary: "#3873c0",
    colorInfo: "#3873c0",
    colorLink: "#86b4f3",
    colorSuccess: "#37a868",
    colorError: "#ff9d96",
    colorWarning: "#d99321",
    colorText: "#e7ecf4",
    colorTextSecondary: "#a7b3c7",
    colorTextTertiary: "#a7b3c7",
    colorTextDescription: "#a7b3c7",
    colorTextPlaceholder: "#93a0b5",
    colorBorder: "#465469",
    colorBorderSecondary: "#2d3848",
    colorBgContainer: "#19202b",
    colorBgElevated: "#1e2733",
    colorBgLayout: "#10151d",
  };
  return {
    algorithm: isDark ? theme.darkAlgorithm : theme.defaultAlgorithm,
    token: { ...(isDark ? dark : light), borderRadius: 8, fontFamily: FONT, fontSize: 14, motion: !isStill },
    components: {
      // antd darkens its seeds on dark ground; these two would fall below 4.5:1 or lose their text.
      ...(isDark ? { Tabs: { itemSelectedColor: "#86b4f3", itemHoverColor: "#a9caf8", inkBarColor: "#86b4f3" }, Button: { dangerColor: "#2a0c0b" } } : {}),
      Segmented: { trackBg: isDark ? "#252e3b" : "#e2e7ef" },
      Table: { headerBg: isDark ? "#1e2733" : "#f8fafc", headerColor: isDark ? "#a7b3c7" : "#51607a", cellPaddingBlock: 11 },
    },
  };
}
