/** What this person has chosen, kept in this browser. */
import { effect, type Signal, signal } from "@preact/signals";

export type Theme = "dark" | "light" | "auto";
export type Directions = "cvd" | "western" | "korean";
export type Language = "en" | "ko";
export type Zone = "utc" | "local";
export type Ramp = "inferno" | "cividis" | "grey";

function read(name: string): string | null {
  try {
    return localStorage.getItem(`perpscope.${name}`);
  } catch {
    return null; // storage is switched off: settings last as long as the page
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`perpscope.${name}`, value);
  } catch {
    return;
  }
}

/** A setting that is one of `allowed`; the first of them where nothing (or nothing known) was kept. */
export function setting<const T extends string>(name: string, allowed: readonly T[], first: T): Signal<T> {
  const kept = read(name);
  const made = signal<T>(allowed.find((value) => value === kept) ?? first);
  let before = made.peek();
  effect(() => {
    if (made.value !== before) {
      before = made.value;
      keep(name, before);
    }
  });
  return made;
}

const speaksKorean = typeof navigator !== "undefined" && navigator.language?.toLowerCase().startsWith("ko");

export const theme = setting<Theme>("theme", ["dark", "light", "auto"], "dark");
export const directions = setting<Directions>("directions", ["cvd", "western", "korean"], "cvd");
export const language = setting<Language>("language", ["en", "ko"], speaksKorean ? "ko" : "en");
export const zone = setting<Zone>("zone", ["utc", "local"], "utc");
export const ramp = setting<Ramp>("ramp", ["inferno", "cividis", "grey"], "inferno");
const soundKept = setting<"on" | "off">("sound", ["on", "off"], "off");

/** Whether large liquidations may be heard. */
export const sound: Signal<boolean> = signal(soundKept.peek() === "on");
effect(() => {
  soundKept.value = sound.value ? "on" : "off";
});
