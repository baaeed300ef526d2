// A state is told three ways: by shape, by word and by colour; unknown and never have a pattern of their own.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

export type BadgeState = "up" | "down" | "unknown" | "never" | "late" | "retired";

const SHAPE: Record<BadgeState, ReactElement> = {
  up: <path d="M3.5 8.5l3 3 6-7" fill="none" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" strokeLinejoin="round" />,
  down: <path d="M4 4l8 8M12 4l-8 8" fill="none" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" />,
  unknown: (
    <g>
      <path d="M5.5 6a2.5 2.5 0 1 1 3.6 2.2c-.7.4-1.1.9-1.1 1.8" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
      <circle cx="8" cy="13" r="1.2" fill="currentColor" />
    </g>
  ),
  never: <circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" strokeWidth="1.8" strokeDasharray="2.4 2.4" />,
  late: (
    <g fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round">
      <circle cx="8" cy="8" r="5.6" />
      <path d="M8 5v3.2l2.2 1.4" />
    </g>
  ),
  retired: <path d="M4 8h8" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" />,
};

export function StateIcon({ state }: { state: BadgeState }): ReactElement {
  return (
    <svg className="state-icon" width="14" height="14" viewBox="0 0 16 16" aria-hidden="true">
      {SHAPE[state]}
    </svg>
  );
}

export function StateBadge({ state }: { state: BadgeState }): ReactElement {
  const { t } = useTranslation();
  return (
    <span className={`state-badge is-${state}`}>
      <StateIcon state={state} />
      {t(`state.${state}`)}
    </span>
  );
}
