// The steps of a process, in order, as they are edited.

export const MOST_STEPS = 32;
const MOST_BYTES = 64;

/** The step at `from` stands at `to` afterwards; out of range: as it was. */
export function moveStep(steps: readonly string[], from: number, to: number): string[] {
  const out = [...steps];
  if (from >= 0 && from < out.length && to >= 0 && to < out.length) {
    out.splice(to, 0, ...out.splice(from, 1));
  }
  return out;
}

export function withoutStep(steps: readonly string[], at: number): string[] {
  return steps.filter((_, i) => i !== at);
}

/** A new, empty one after `at`. */
export function addStep(steps: readonly string[], at: number): string[] {
  return steps.length >= MOST_STEPS ? [...steps] : [...steps.slice(0, at + 1), "", ...steps.slice(at + 1)];
}

export type StepFault = { kind: "twice" | "long"; name: string };

/** The first that cannot stay; empty ones are left out when it is saved. */
export function stepFault(steps: readonly string[]): StepFault | null {
  const seen = new Set<string>();
  for (const raw of steps) {
    const name = raw.trim();
    if (new TextEncoder().encode(name).length > MOST_BYTES) {
      return { kind: "long", name };
    }
    if (name !== "" && seen.has(name)) {
      return { kind: "twice", name };
    }
    seen.add(name);
  }
  return null;
}
