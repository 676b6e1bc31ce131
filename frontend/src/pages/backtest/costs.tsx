import type { Sheet } from "../../ui/export";
import { number, signed } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { plain } from "../../words/verdicts";
import { type Run, type Step, stepsOf } from "./figures";
import { type RunAnswer, steady } from "./run";
import { RunKindTag } from "./runs";
import { says } from "./words";

const NAMES = { before: "before", slippage: "slippage", fees: "fees", funding: "funding", net: "left" } as const;

function sheet(run: Run): Sheet {
  return {
    name: `costs-${run.summary.id}`,
    columns: ["part", "quote"],
    rows: stepsOf(run.summary).map((step) => [step.name, step.value]),
  };
}

/** From what the trades made at mid prices to what was left: each cost as a step; and what was not traded, and why. */
export function CostsPanel({ answer, run }: { answer: RunAnswer; run: Run }) {
  const steps = stepsOf(run.summary);
  const low = Math.min(0, ...steps.flatMap((step) => [step.from, step.to]));
  const high = Math.max(0, ...steps.flatMap((step) => [step.from, step.to]));
  const at = (value: number): number => (high === low ? 0 : (100 * (value - low)) / (high - low));
  return (
    <Panel
      id="run-costs"
      title={says("costs")}
      kind={null}
      answer={answer}
      {...steady(answer)}
      controls={<RunKindTag kind={run.summary.kind} />}
      csv={() => sheet(run)}
      table={() => sheet(run)}
    >
      <dl class="steps">
        {steps.map((step) => (
          <Bar key={step.name} step={step} at={at} />
        ))}
      </dl>
      <div class="not-traded">
        <Counts title={says("refused")} counts={run.summary.refused} />
        <Counts title={says("near")} counts={run.summary.near_misses} />
      </div>
    </Panel>
  );
}

function Bar({ step, at }: { step: Step; at: (value: number) => number }) {
  const left = at(Math.min(step.from, step.to));
  const width = Math.max(0.5, at(Math.max(step.from, step.to)) - left);
  const isEnd = step.name === "before" || step.name === "net";
  return (
    <div class={`step ${isEnd ? "end" : "cost"}`}>
      <dt>{says(NAMES[step.name])}</dt>
      <dd class="step-track" aria-hidden="true">
        <span class="step-zero" style={{ left: `${at(0)}%` }} />
        <span class={`step-bar ${step.value < 0 ? "bad" : "ok"}`} style={{ left: `${left}%`, width: `${width}%` }} />
      </dd>
      <dd class="num step-amount">{signed(step.value)}</dd>
    </div>
  );
}

/** Words with how often each stood there, the commonest first. */
export function Counts({ title, counts }: { title: string; counts: Readonly<Record<string, number>> }) {
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return (
    <div class="counts">
      <h3>{title}</h3>
      {rows.length === 0 ? <p class="dim">{says("none")}</p> : null}
      <ul>
        {rows.map(([name, count]) => (
          <li key={name}>
            <span lang="en">{plain(name)}</span> <b class="num">{number(count)}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}
