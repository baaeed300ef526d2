// A page that breaks takes only itself down.  (React offers this to class components only.)

import { Component, type ReactNode } from "react";

interface Props {
  /** Another key tries anew: going to another page is a way out. */
  resetKey: string;
  fallback: ReactNode;
  children: ReactNode;
}

interface State {
  brokenKey: string | null;
}

export class Boundary extends Component<Props, State> {
  override state: State = { brokenKey: null };

  override componentDidCatch(): void {
    this.setState({ brokenKey: this.props.resetKey });
  }

  static getDerivedStateFromError(): Partial<State> {
    return { brokenKey: "" };
  }

  override componentDidUpdate(before: Props): void {
    if (this.state.brokenKey !== null && before.resetKey !== this.props.resetKey) {
      this.setState({ brokenKey: null });
    }
  }

  override render(): ReactNode {
    return this.state.brokenKey === null ? this.props.children : this.props.fallback;
  }
}
