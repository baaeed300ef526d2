// Line colours: each at least 3:1 on its ground.  A line is also told apart by its place in the legend and by pointing at it there.

const LIGHT = ["#1f66c1", "#c2570c", "#168257", "#9333a8", "#a3720b", "#0b7d90", "#c22f57", "#5f6b80"];
const DARK = ["#6aa5f2", "#f0914a", "#4cc38a", "#cf8be0", "#dfb14a", "#43bfd1", "#f27e9e", "#a3afc2"];

export interface Ink {
  line: (index: number) => string;
  axis: string;
  grid: string;
  gap: string;
  gapStripe: string;
  pendingStripe: string;
  thinned: string;
}

export function ink(isDark: boolean): Ink {
  const lines = isDark ? DARK : LIGHT;
  return {
    line: (index) => lines[index % lines.length] ?? "#888888",
    axis: isDark ? "#a7b3c7" : "#51607a",
    grid: isDark ? "#273241" : "#e8ecf2",
    gap: isDark ? "#232c38" : "#eff2f6",
    gapStripe: isDark ? "#3d4959" : "#cfd7e2",
    pendingStripe: isDark ? "#2f3a49" : "#e2e8f0",
    thinned: isDark ? "#8594ab" : "#7a879c",
  };
}

/** "#rrggbb" with an alpha of two hex digits. */
export function faint(colour: string, alpha: string): string {
  return `${colour}${alpha}`;
}
