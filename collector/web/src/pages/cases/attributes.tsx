// What a case or a step carried along.  Names and values come from outside and are shown as text.

import type { ReactElement } from "react";

export function attributeText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function Attributes({ attrs }: { attrs: Record<string, unknown> }): ReactElement | null {
  const list = Object.entries(attrs);
  if (list.length === 0) {
    return null;
  }
  return (
    <dl className="facts is-inline">
      {list.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{attributeText(value)}</dd></div>)}
    </dl>
  );
}
