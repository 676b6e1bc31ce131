/** Tags that say what a figure is: an estimate or a report, and of which market. */
import type { Data } from "../live/shapes";
import { words } from "../words/vocabulary";

/** MODEL or OBSERVED. */
export function KindTag({ kind }: { kind: "model" | "observed" }) {
  return (
    <span class={`tag ${kind}`} title={words(`${kind}_title`)}>
      {words(kind)}
    </span>
  );
}

/** DEMO DATA, REPLAY, or OBSERVED where `withObserved`; nothing where it is not known. */
export function DataTag({ data, withObserved = false }: { data: Data | null; withObserved?: boolean }) {
  if (data === "demo") {
    return (
      <span class="tag demo" title={words("demo_title")}>
        {words("demo_data")}
      </span>
    );
  }
  if (data === "replay") {
    return (
      <span class="tag replay" title={words("replay_title")}>
        {words("replay")}
      </span>
    );
  }
  if (data === null || !withObserved) return null;
  return (
    <span class="tag observed" title={words("live_data_title")}>
      {words("live_data")}
    </span>
  );
}

/** The word of a market's tag: DEMO DATA, REPLAY, or of real data nothing. */
export function dataWord(data: Data | null): string | null {
  return data === "demo" ? words("demo_data") : data === "replay" ? words("replay") : null;
}

/** A side of the trader: its push on the price as a glyph, and the word. */
export function Side({ side }: { side: "LONG" | "SHORT" | "long" | "short" }) {
  const isLong = side.toUpperCase() === "LONG";
  return (
    <span class={isLong ? "long" : "short"}>
      {isLong ? "▼" : "▲"} {words(isLong ? "long" : "short")}
    </span>
  );
}
