import { useSignal } from "@preact/signals";
import { href } from "../../app/route";
import { useAnswer } from "../../live/answers";
import { Problem } from "../../live/api";
import { age, number, signed } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { type OfRun, ofRun } from "./card";
import type { Divergence } from "./figures";
import { Fact } from "./position";
import { says } from "./words";

const PARTS = ["latency", "price", "missing", "size", "fee", "funding"] as const;

/** A run that has ended: beside the backtests, and beside the model (asked for by hand: it is run again for that). */
export function DivergencePanel({ run, answer: told }: OfRun) {
  const { run: id } = run.status;
  const isAsked = useSignal(false);
  const answer = useAnswer("/api/v1/trade/{id}/divergence", isAsked.value ? { id } : null);
  const { body, problem } = answer.value;
  const waits = isAsked.value && body === null && !(problem instanceof Problem);
  const state = waits
    ? ({ name: "loading" } as const)
    : body || !isAsked.value
      ? ({ name: "ready" } as const)
      : undefined;
  return (
    <Panel
      id={`trade-divergence-${id}`}
      class="trade-divergence"
      title={says("divergence")}
      {...ofRun({ run, answer: told })}
      answer={answer}
      state={state}
      what={says("divergence_what")}
    >
      {body ? (
        <Told found={body.divergence} />
      ) : (
        <p class="row ask-divergence">
          <button
            type="button"
            onClick={() => {
              isAsked.value = true;
            }}
          >
            {says("divergence_ask")}
          </button>
          <a href={href("backtest", { run: id })}>{says("kept_run")}</a>
        </p>
      )}
    </Panel>
  );
}

function Told({ found }: { found: Divergence }) {
  const same = found.is_identical;
  const tone = same === null ? "dim" : same ? "ok" : "bad";
  const word = same === null ? "same_unknown" : same ? "same" : "other";
  return (
    <>
      <p class={`same-word ${tone}`}>
        <b>
          {same === null ? "◌" : same ? "●" : "✕"} {says(word, { n: number(found.decisions) })}
        </b>{" "}
        <span lang="en">{found.first_difference}</span>
      </p>
      <dl class="facts">
        <Fact name={says("against_model")}>
          <span class="num">{signed(found.whole)}</span>
        </Fact>
        {PARTS.map((name) => (
          <Fact key={name} name={says(`part_${name}`)}>
            <span class="num">{signed(found.parts[name])}</span>
          </Fact>
        ))}
        <Fact name={says("filled_by")}>
          {says("filled_by_is", { both: found.matched, run: found.only_run, model: found.only_model })}
        </Fact>
        {Object.entries(found.latency_ms).map(([name, one]) => (
          <Fact key={name} name={says(name === "run" ? "fill_run" : "fill_modelled")}>
            <span class="num">{age(one.p50)}</span>
          </Fact>
        ))}
      </dl>
      <ul class="divergence-notes dim" lang="en">
        {found.notes.map((one) => (
          <li key={one}>{one}</li>
        ))}
      </ul>
    </>
  );
}
