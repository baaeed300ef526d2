// @vitest-environment jsdom
// Processes in words, and their steps edited with mouse and keyboard.

import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import i18next from "i18next";
import { useState, type ReactElement } from "react";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";

import { startI18n, switchLanguage } from "../../i18n";
import { StepsField } from "./steps_field";
import { doneText, stepsText } from "./words";

beforeAll(() => startI18n("en"));
beforeEach(() => switchLanguage("en"));

describe("a process in words", () => {
  it.each([
    [{ steps: ["a", "b"], done: "status = \"x\"" }, "A case has ended when status = \"x\".", "当 status = \"x\" 时，业务单结束。"],
    [{ steps: ["a", "b"], done: "" }, "A case has ended when step “b” has ended, or its status is completed, cancelled, closed or done.", "当步骤“b”结束，或状态为 completed、cancelled、closed 或 done 时，业务单结束。"],
    [{ steps: [], done: "" }, "A case has ended when its status is completed, cancelled, closed or done.", "当状态为 completed、cancelled、closed 或 done 时，业务单结束。"],
  ])("%#", async (process, en, zh) => {
    expect(doneText(process, i18next.t)).toBe(en);
    await switchLanguage("zh-CN");
    expect(doneText(process, i18next.t)).toBe(zh);
  });

  it("shows its steps in order", () => {
    expect(stepsText(["a", "b"], i18next.t)).toBe("a → b");
    expect(stepsText([], i18next.t)).toBe("any steps, in any order");
  });
});

function Harness({ first }: { first: string[] }): ReactElement {
  const [steps, setSteps] = useState(first);
  return <><StepsField value={steps} onChange={setSteps} /><div data-testid="out">{steps.join("|")}</div></>;
}

const out = (): string | null => screen.getByTestId("out").textContent;
const step = (n: number): HTMLElement => screen.getByLabelText(`Step ${n}`);

describe("steps by keyboard", () => {
  it("Alt+Down moves one, the focus goes with it, and it is said", async () => {
    render(<Harness first={["a", "b", "c"]} />);
    await userEvent.click(step(1));
    await userEvent.keyboard("{Alt>}{ArrowDown}{/Alt}");
    expect(out()).toBe("b|a|c");
    expect(document.activeElement).toBe(step(2));
    expect(screen.getByRole("status").textContent).toBe("“a” is now step 2 of 3.");
    await userEvent.keyboard("{Alt>}{ArrowUp}{ArrowUp}{/Alt}");
    expect(out()).toBe("a|b|c");
    expect(document.activeElement).toBe(step(1));
  });

  it("Enter adds one and is in it; Backspace in an empty one takes it away", async () => {
    render(<Harness first={["a", "b"]} />);
    await userEvent.click(step(1));
    await userEvent.keyboard("{Enter}x");
    expect(out()).toBe("a|x|b");
    await userEvent.keyboard("{Backspace}{Backspace}");
    expect(out()).toBe("a|b");
    expect(document.activeElement).toBe(step(2));
  });

  it("a moved one's button keeps the focus, or gives it to its neighbour at the end", async () => {
    render(<Harness first={["a", "b", "c"]} />);
    screen.getByLabelText("Move “a” down").focus();
    await userEvent.keyboard("{Enter}");
    expect(document.activeElement).toBe(screen.getByLabelText("Move “a” down"));
    await userEvent.keyboard("{Enter}");
    expect(out()).toBe("b|c|a");
    expect(document.activeElement).toBe(step(3));
  });
});

it("steps are added and removed by buttons, down to none and up again", async () => {
  render(<Harness first={["a"]} />);
  await userEvent.click(screen.getByLabelText("Remove “a”"));
  expect(out()).toBe("");
  expect(document.querySelector("input")).toBeNull();
  await userEvent.click(screen.getByText("Add a step"));
  expect(document.activeElement).toBe(step(1));
  await userEvent.keyboard("z");
  expect(out()).toBe("z");
});
