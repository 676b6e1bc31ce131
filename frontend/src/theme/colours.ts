/** The colours of tokens.css for what is drawn on a canvas, as the settings want them. */
import "./tokens.css";
import { computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { directions, theme } from "../app/settings";

/** CSS colours. */
export interface Colours {
  isDark: boolean;
  background: string;
  card: string;
  raised: string;
  line: string;
  strongLine: string;
  grid: string;
  text: string;
  dim: string;
  accent: string;
  /** Of the trader's side: text and thin lines. */
  long: string;
  short: string;
  /** Of the trader's side: areas. */
  longBar: string;
  shortBar: string;
  ok: string;
  warn: string;
  bad: string;
  model: string;
  modelBack: string;
  candleUp: string;
  candleDown: string;
}

const asked = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: light)") : null;
const systemIsLight: Signal<boolean> = signal(asked?.matches ?? false);
asked?.addEventListener?.("change", (event) => {
  systemIsLight.value = event.matches;
});

/** Whether the page is dark now. */
export const isDark: ReadonlySignal<boolean> = computed(() =>
  theme.value === "auto" ? !systemIsLight.value : theme.value === "dark",
);

function read(dark: boolean): Colours {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(`--${name}`).trim() || (dark ? "#dbe3ec" : "#16202c");
  return {
    isDark: dark,
    background: token("bg"),
    card: token("card"),
    raised: token("raised"),
    line: token("line"),
    strongLine: token("strong-line"),
    grid: token("grid"),
    text: token("text"),
    dim: token("dim"),
    accent: token("accent"),
    long: token("long"),
    short: token("short"),
    longBar: token("long-bar"),
    shortBar: token("short-bar"),
    ok: token("ok"),
    warn: token("warn"),
    bad: token("bad"),
    model: token("model"),
    modelBack: token("model-back"),
    candleUp: token("candle-up"),
    candleDown: token("candle-down"),
  };
}

const current: Signal<Colours> = signal(read(true));

/** The colours now; changes with the theme and the colours of directions. */
export const colours: ReadonlySignal<Colours> = current;

effect(() => {
  const root = document.documentElement;
  root.dataset.theme = isDark.value ? "dark" : "light";
  root.dataset.directions = directions.value;
  current.value = read(isDark.value);
});
