/** Keys: those of the page that is shown, and those of the whole. */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export interface Key {
  /** What it does, for the sheet of keys. */
  label: string;
  run: () => void;
}

/** By what is pressed, as `KeyboardEvent.key` names it (`t`, `[`, `ArrowLeft`, ` `), `Ctrl+k` with the control key. */
export type Keys = Readonly<Record<string, Key>>;

const sets: Signal<readonly Keys[]> = signal([]);

/** All that hold now; the latest come last and go first. */
export const keys: ReadonlySignal<readonly Keys[]> = sets;

/** These keys hold while the component is mounted. Make `wanted` once, or what it closes over stays as it was. */
export function useKeys(wanted: Keys): void {
  useEffect(() => {
    sets.value = [...sets.peek(), wanted];
    return () => {
      sets.value = sets.peek().filter((one) => one !== wanted);
    };
  }, [wanted]);
}

let kept: Keys | null = null;

/** Keys that hold for as long as the page is open, in place of those given before. */
export function always(wanted: Keys): void {
  const before = kept;
  kept = wanted;
  sets.value = [wanted, ...sets.peek().filter((one) => one !== before)];
}

/** Inputs that take no letters. */
const SLIDES: ReadonlySet<string> = new Set(["range", "checkbox", "radio", "button"]);

/** Somebody is typing, or a dialog is open: keys are theirs. */
function isTaken(event: KeyboardEvent): boolean {
  const at = event.target;
  if (!(at instanceof HTMLElement)) return false;
  if (document.querySelector("dialog[open]")) return true;
  if (at.isContentEditable || at instanceof HTMLTextAreaElement || at instanceof HTMLSelectElement) return true;
  if (at instanceof HTMLInputElement) return !SLIDES.has(at.type) || /^( |Arrow|Home|End|Page)/.test(event.key);
  const isPressed = event.key === " " || event.key === "Enter";
  return isPressed && at.closest("button, a, summary, [role=menuitem]") !== null;
}

/** What was pressed, as keys are named here. */
export function nameOf(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">): string | null {
  if (event.altKey) return null;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return event.ctrlKey || event.metaKey ? `Ctrl+${name}` : name;
}

addEventListener("keydown", (event) => {
  const name = nameOf(event);
  if (name === null || event.defaultPrevented) return;
  if (!name.startsWith("Ctrl+") && isTaken(event)) return;
  const found = [...sets.peek()].reverse().find((one) => name in one)?.[name];
  if (!found) return;
  event.preventDefault();
  found.run();
});
