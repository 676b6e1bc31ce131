/** What makes the page's files, loaded when something is taken away. */
import { type Signal, signal } from "@preact/signals";
import type { Sheet } from "../../ui/export";

type TakeAway = typeof import("./take_away");
const loaded: Signal<TakeAway | null> = signal(null);

/** See `take_away.ts`. */
export async function takeAway(): Promise<TakeAway> {
  loaded.value ??= await import("./take_away");
  return loaded.value;
}

/** A table of it, without rows until it has come. */
export function tableOf(make: (made: TakeAway) => Sheet): Sheet {
  if (loaded.value) return make(loaded.value);
  void takeAway();
  return { name: "", columns: [], rows: [] };
}
