/** What is not needed for the first picture is loaded when it is first shown. */
import { type Signal, signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { ready } from "../words/words";

/** A component of a file of its own; nothing stands there until it has come, and the next time it is shown it is tried again. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  const made: Signal<ComponentType<P> | null> = signal(null);
  const fetch = async (): Promise<void> => {
    try {
      const loaded = await load();
      await ready();
      made.value = loaded;
    } catch (error) {
      console.warn(String(error));
    }
  };
  return (props) => {
    useEffect(() => void (made.peek() ?? fetch()), []);
    const Made = made.value;
    return Made ? <Made {...props} /> : null;
  };
}
