/** What may be said of a strategy on some data, in words: never by its colour alone. */
import { dictionary } from "./words";

const says = dictionary(
  {
    "too-few-trades": "Too few trades to say anything",
    "loses-after-costs": "Loses money after costs",
    "fails-nulls": "No better than chance",
    "in-sample-only": "Earned only where it was fitted",
    holds: "Holds so far",
    unknown: "No verdict yet",
    "too-few-trades_short": "too few",
    "loses-after-costs_short": "loses",
    "fails-nulls_short": "like chance",
    "in-sample-only_short": "in sample only",
    holds_short: "holds",
    unknown_short: "no verdict",
  },
  {
    "too-few-trades": "거래가 너무 적어 판단할 수 없음",
    "loses-after-costs": "비용을 빼면 손실",
    "fails-nulls": "우연과 구별되지 않음",
    "in-sample-only": "최적화한 구간에서만 수익",
    holds: "지금까지는 유효",
    unknown: "아직 판정 없음",
    "too-few-trades_short": "표본 부족",
    "loses-after-costs_short": "손실",
    "fails-nulls_short": "우연 수준",
    "in-sample-only_short": "표본 내 한정",
    holds_short: "유효",
    unknown_short: "판정 없음",
  },
);

const KNOWN = ["too-few-trades", "loses-after-costs", "fails-nulls", "in-sample-only", "holds"] as const;
export type VerdictName = (typeof KNOWN)[number] | "unknown";
const GLYPHS: Record<VerdictName, string> = {
  "too-few-trades": "◌",
  "loses-after-costs": "✕",
  "fails-nulls": "◐",
  "in-sample-only": "◐",
  holds: "●",
  unknown: "◌",
};
const TONES: Record<VerdictName, "ok" | "warn" | "bad" | "dim"> = {
  "too-few-trades": "dim",
  "loses-after-costs": "bad",
  "fails-nulls": "warn",
  "in-sample-only": "warn",
  holds: "ok",
  unknown: "dim",
};

/** A verdict that is known here; anything newer counts as none. */
export const verdictOf = (name: string | null | undefined): VerdictName =>
  KNOWN.find((one) => one === name) ?? "unknown";
/** As a sentence. */
export const verdictWord = (name: VerdictName): string => says(name);
/** In a word or two, for a row. */
export const verdictShort = (name: VerdictName): string => says(`${name}_short`);
export const verdictGlyph = (name: VerdictName): string => GLYPHS[name];
export const verdictTone = (name: VerdictName): string => TONES[name];
/** `volume burst` of `volume-burst`: reasons and rules are told with hyphens. */
export const plain = (word: string): string => word.replaceAll("-", " ");
