import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";

/** One signal for all a component is given one after another: what is computed from it follows to the next. */
export function useNewest<T>(given: ReadonlySignal<T>): ReadonlySignal<T> {
  const newest = useSignal(given);
  newest.value = given;
  return useComputed(() => newest.value.value);
}
