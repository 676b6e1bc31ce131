/** What a panel says where its figures are late, missing or refused. */
import { useComputed, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { marketNow, second } from "../live/clock";
import { standing } from "../live/standing";
import { connection, retryNow } from "../live/stream";
import { feedWord } from "../words/feeds";
import { words } from "../words/vocabulary";
import { age, clockZoned, venue } from "./format";
import { later } from "./later";
import type { Source } from "./panel";
import type { Missing, PanelState } from "./panel_state";

const LONG_MS = 10_000;
const SHORT_MS = 300;

/** Asks again: the stream if it is lost, and the answer if there is one. */
function again(answer: Source | undefined): void {
  retryNow();
  const told = answer?.peek();
  if (told && "refresh" in told) told.refresh();
}

/** A button that asks again. */
export function Retry({ answer }: { answer: Source | undefined }) {
  return (
    <button type="button" onClick={() => again(answer)}>
      {words("retry")}
    </button>
  );
}

function missingText({ venue: name, ageMs: old, feeds }: Missing): string {
  const who = feeds.length ? `${venue(name)} (${feeds.map(feedWord).join(", ")})` : venue(name);
  return old === null
    ? words("partial_never", { venue: who })
    : words("partial_one", { venue: who, at: clockZoned(marketNow() - old) });
}

/** How long ago the heart was heard, real ms. */
function silence(): number | null {
  const at = standing.value.receivedAt;
  return at === null ? null : performance.now() - at;
}

function cause(state: PanelState & { name: "stale" }): string {
  const oldest = Math.max(0, ...state.missing.map((one) => one.ageMs ?? 0));
  switch (state.cause) {
    case "heart":
      return words("stale_heart", { age: age(silence()) });
    case "gone":
      return words("stale_gone");
    case "over":
      return words("stale_over");
    case "problem":
      return words("stale_problem", { code: state.code });
    default:
      return words("stale_venues", {
        venues: state.missing.map((one) => venue(one.venue)).join(", "),
        age: age(oldest + (silence() ?? 0)),
      });
  }
}

function lostText(): string {
  const { retryAt } = connection.value;
  const s = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
  return `${words("disconnected")} · ${retryAt === null ? words("lost_now") : words("lost_short", { s })}`;
}

function bannerText(state: PanelState, asOfMs: number | null): string | null {
  const frozen = asOfMs === null ? "" : ` · ${words("frozen", { at: clockZoned(asOfMs) })}`;
  switch (state.name) {
    case "stale":
      return `◐ ${cause(state)}${frozen}`;
    case "disconnected":
      return `✕ ${lostText()}${frozen}`;
    case "partial": {
      const missing = state.missing.map(missingText).join(", ");
      return `◐ ${words("partial", { n: state.of - state.missing.filter((one) => !one.feeds.length).length, of: state.of, missing })}`;
    }
    case "warming":
      return `◌ ${words("warming")} · ${state.notes[0] ?? words("warming_help")}`;
    default:
      return null;
  }
}

/** A line above the figures; they stay to be seen. */
export function Banner({
  state,
  asOfMs,
  answer,
}: {
  state: PanelState;
  asOfMs: number | null;
  answer: Source | undefined;
}) {
  const given = useSignal({ state, asOfMs });
  given.value = { state, asOfMs };
  const text = useComputed(() => {
    second.value;
    return bannerText(given.value.state, given.value.asOfMs);
  });
  if (bannerText(state, asOfMs) === null) return null;
  const level = state.name === "disconnected" ? "bad" : "warn";
  return (
    <p class={`banner ${level}`}>
      <span>{text}</span>
      {state.name === "disconnected" || (state.name === "stale" && state.cause !== "over") ? (
        <Retry answer={answer} />
      ) : null}
    </p>
  );
}

function Loading({ what, answer }: { what: string; answer: Source | undefined }) {
  const since = useRef(performance.now()).current;
  const passed = useComputed(() => {
    second.value;
    return performance.now() - since;
  });
  const s = Math.round(passed.value / 1000);
  if (passed.value < LONG_MS) {
    return (
      <div class="instead skeleton" data-after={SHORT_MS}>
        <p class="dim">{words("loading", { what })}</p>
      </div>
    );
  }
  return (
    <div class="instead skeleton">
      <p class="dim">{words("loading_long", { what, s })}</p>
      <Retry answer={answer} />
    </div>
  );
}

const Refused = later(async () => (await import("./instead")).Refused);
const Empty = later(async () => (await import("./instead")).Empty);

/** What stands where the figures would. */
export function Instead({ state, what, answer }: { state: PanelState; what: string; answer: Source | undefined }) {
  if (state.name === "error") return <Refused state={state} answer={answer} />;
  if (state.name === "empty") return <Empty notes={state.notes} />;
  return <Loading what={what} answer={answer} />;
}
