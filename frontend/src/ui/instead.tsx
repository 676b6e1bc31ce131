/** What stands in a panel that was refused its figures, or has none. */
import { useSignal } from "@preact/signals";
import { coin } from "../app/route";
import { words } from "../words/vocabulary";
import { dictionary } from "../words/words";
import { copy } from "./copy";
import type { Source } from "./panel";
import type { PanelState } from "./panel_state";
import { Retry } from "./panel_words";

const says = dictionary(
  {
    empty: "Nothing here yet",
    empty_help: "Start a collector, or look around with generated data:",
    error: "This cannot be shown",
    request: "request {id}",
  },
  {
    empty: "아직 데이터가 없습니다",
    empty_help: "수집기를 시작하거나 데모 데이터로 둘러보세요:",
    error: "표시할 수 없습니다",
    request: "요청 {id}",
  },
);

/** The code of what went wrong, to be copied. */
export function Refused({ state, answer }: { state: PanelState & { name: "error" }; answer: Source | undefined }) {
  const copied = useSignal(false);
  const text = `${state.code}: ${state.detail}${state.requestId ? ` (request ${state.requestId})` : ""}`;
  return (
    <div class="instead" role="alert">
      <strong>{says("error")}</strong>
      <p>
        <code>{state.code}</code> {state.detail}
      </p>
      {state.hint ? <p class="dim">{state.hint}</p> : null}
      <p class="dim">{state.requestId ? says("request", { id: state.requestId }) : null}</p>
      <p class="row">
        <button
          type="button"
          onClick={() =>
            void copy(text).then((is) => {
              copied.value = is;
            })
          }
        >
          {words(copied.value ? "copied" : "copy")}
        </button>
        <Retry answer={answer} />
      </p>
    </div>
  );
}

/** The command that helps. */
export function Empty({ notes }: { notes: readonly string[] }) {
  const symbol = coin.value.split("-")[0] ?? coin.value;
  return (
    <div class="instead">
      <strong>{says("empty")}</strong>
      {notes[0] ? <p class="dim">{notes[0]}</p> : null}
      <p class="dim">{says("empty_help")}</p>
      <code>perpscope collect --symbols {symbol}</code>
      <code>perpscope demo</code>
    </div>
  );
}
