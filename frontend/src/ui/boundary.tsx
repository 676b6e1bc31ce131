/** Keeps what goes wrong in one part of the page from taking the rest with it. */
import { Component, type ComponentChildren } from "preact";
import { words } from "../words/vocabulary";
import { copy } from "./copy";

interface Failed {
  error: Error | null;
}

/** Shows what its children threw, in their place; Retry makes them anew. */
export class Boundary extends Component<{ children: ComponentChildren }, Failed> {
  override state: Failed = { error: null };

  static override getDerivedStateFromError(error: unknown): Failed {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override componentDidCatch(error: unknown): void {
    console.error(error);
  }

  render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <div class="instead" role="alert">
        <strong>{words("broken")}</strong>
        <code>{error.message}</code>
        <p class="row">
          <button type="button" onClick={() => void copy(`${error.message}\n${error.stack ?? ""}`)}>
            {words("copy")}
          </button>
          <button type="button" onClick={() => this.setState({ error: null })}>
            {words("retry")}
          </button>
        </p>
      </div>
    );
  }
}
