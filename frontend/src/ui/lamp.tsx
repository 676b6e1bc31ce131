/** A state as a glyph with its word: never by its colour alone. */
import { dictionary } from "../words/words";

const says = dictionary(
  { live: "live", stale: "late", silent: "silent", down: "down", replay: "replay", gone: "gone", none: "no collector" },
  {
    live: "정상",
    stale: "지연",
    silent: "무응답",
    down: "끊김",
    replay: "리플레이",
    gone: "중단",
    none: "수집기 없음",
  },
);

export type LampState = "live" | "stale" | "silent" | "down" | "replay" | "gone" | "none";
const GLYPHS: Record<LampState, string> = {
  live: "●",
  replay: "●",
  stale: "◐",
  silent: "◐",
  down: "✕",
  gone: "✕",
  none: "◌",
};
const LEVELS: Record<LampState, string> = {
  live: "ok",
  replay: "ok",
  stale: "warn",
  silent: "warn",
  down: "bad",
  gone: "bad",
  none: "dim",
};

/** The word of a state in the language of the settings. */
export const stateWord = (state: LampState): string => says(state);

/** `● live`; without its word only where the word stands beside it already. */
export function Lamp({ state, withWord = true }: { state: LampState; withWord?: boolean }) {
  return (
    <span class={`lamp ${LEVELS[state]}`} data-lamp={state} title={says(state)}>
      <span aria-hidden={withWord}>{GLYPHS[state]}</span>
      {withWord ? ` ${says(state)}` : null}
    </span>
  );
}
