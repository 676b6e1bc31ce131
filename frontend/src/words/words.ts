/** Two languages side by side: a word that is missing in one of them does not compile. */
import { effect, type Signal, signal } from "@preact/signals";
import { language } from "../app/settings";

export type Values = Readonly<Record<string, string | number>>;

/** `{name}` in a text becomes the value of that name; a name without a value stays as it is. */
export function filled(text: string, values?: Values): string {
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

/** What a build makes of the Korean half (vite.config.ts): a file that is loaded when it is wanted. */
type Later = () => Promise<{ default: Record<string, string> }>;
const later: (() => Promise<void>)[] = [];
const arrived: Signal<number> = signal(0);

/** Waits until the words of the language of the settings are there, of all dictionaries so far. */
export async function ready(): Promise<void> {
  if (language.peek() === "ko") await Promise.all(later.map((load) => load()));
}

function loads(file: Later, take: (words: Record<string, string>) => void): () => Promise<void> {
  let asked: Promise<void> | null = null;
  return () => {
    asked ??= file().then(
      (made) => {
        take(made.default);
        arrived.value++;
      },
      () => {
        asked = null; // the English words stand; the next page tries again
      },
    );
    return asked;
  };
}

/** What says a text of these in the language of the settings; who calls it while rendering follows that setting. */
export function dictionary<const E extends Record<string, string>>(
  en: E,
  ko: Record<keyof E, string>,
): (key: keyof E, values?: Values) => string {
  let korean: Record<string, string> | null = ko;
  if (typeof ko === "function") {
    korean = null;
    later.push(
      loads(ko as Later, (words) => {
        korean = words;
      }),
    );
  }
  return (key, values) => {
    const isKorean = language.value === "ko" && arrived.value >= 0;
    const half: Record<keyof E, string> = isKorean && korean ? (korean as Record<keyof E, string>) : en;
    return filled(half[key], values);
  };
}

effect(() => {
  if (language.value === "ko") void ready();
});
