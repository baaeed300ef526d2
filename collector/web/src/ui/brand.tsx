import type { ReactElement } from "react";

export function Mark({ size }: { size: number }): ReactElement {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#1d4f91" />
      <path d="M7 22h18M11 22c5 0 5-11 11-11" fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" />
      <circle cx="23" cy="11" r="3" fill="#7fd1a0" />
      <circle cx="8" cy="22" r="3" fill="#fff" />
    </svg>
  );
}
