import { describe, expect, it } from "vitest";

import { addStep, moveStep, MOST_STEPS, stepFault, withoutStep } from "./steps";

const abc = ["a", "b", "c"];

describe("steps", () => {
  it.each([
    [0, 1, ["b", "a", "c"]], [2, 0, ["c", "a", "b"]], [1, 1, abc], [0, -1, abc], [2, 3, abc], [5, 0, abc],
  ])("moved from %d to %d", (from, to, out) => expect(moveStep(abc, from, to)).toEqual(out));

  it.each([[-1, ["", "a", "b", "c"]], [0, ["a", "", "b", "c"]], [2, ["a", "b", "c", ""]]])("one more after %d", (at, out) => expect(addStep(abc, at)).toEqual(out));

  it("are no more than a process may have", () => {
    const full = Array.from({ length: MOST_STEPS }, (_, i) => `s${i}`);
    expect(addStep(full, 3)).toEqual(full);
    expect(addStep(full.slice(1), 3)).toHaveLength(MOST_STEPS);
  });

  it("go away singly, equal names or not", () => expect(withoutStep(["a", "a", "b"], 1)).toEqual(["a", "b"]));

  it.each([
    [abc, null], [[], null], [["", " "], null], [["a", "b", " a "], { kind: "twice", name: "a" }],
    [["x".repeat(64)], null], [["x".repeat(65)], { kind: "long", name: "x".repeat(65) }], [["审".repeat(22)], { kind: "long", name: "审".repeat(22) }], [["审".repeat(21)], null],
  ])("%j: %j", (steps, fault) => expect(stepFault(steps)).toEqual(fault));
});
