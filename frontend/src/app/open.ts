/** Which of the frame's dialogs is open. */
import { type Signal, signal } from "@preact/signals";

export const settingsOpen: Signal<boolean> = signal(false);
export const helpOpen: Signal<boolean> = signal(false);
export const paletteOpen: Signal<boolean> = signal(false);
/** What the palette lists: everything, or only what can be looked at. */
export const paletteOf: Signal<"all" | "coins"> = signal("all");

/** Open the palette. */
export function openPalette(of: "all" | "coins"): void {
  paletteOf.value = of;
  paletteOpen.value = true;
}
