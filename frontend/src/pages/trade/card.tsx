import type { ReadonlySignal } from "@preact/signals";
import type { Point } from "../../charts/scale";
import type { Answer } from "../../live/answers";
import { second } from "../../live/clock";
import { connection } from "../../live/stream";
import { age, datetime, number } from "../../ui/format";
import { isLost } from "../../ui/panel_state";
import { DataTag } from "../../ui/tag";
import { DivergencePanel } from "./divergence";
import { ExchangePanel, LatencyPanel, RefusedPanel } from "./exchange";
import { isHeld, type Label, lifeOf, marketOf, type RunNow, type TradeBody } from "./figures";
import { FillsPanel, OrdersPanel, WorkingPanel } from "./orders";
import { AccountPanel, PositionPanel } from "./position";
import { says } from "./words";

export type TradeAnswer = ReadonlySignal<Answer<TradeBody>>;

/** What a panel of a run is given. */
export interface OfRun {
  run: RunNow;
  answer: TradeAnswer;
}

const GLYPHS: Record<Label, string> = { PAPER: "◇", LIVE: "◆", DEMO: "◈" };
const LAMPS = { runs: ["●", "ok"], over: ["–", "dim"], silent: ["✕", "bad"] } as const;
const LATE_MS = 2_500;

/** A run has a heart of its own, whose age its strip tells: whoever else collects does not make its figures old. */
export const steady = (answer: ReadonlySignal<Answer<unknown>>) =>
  answer.value.body === null || isLost(connection.value) ? {} : ({ state: { name: "ready" } } as const);

/** What panels of a run have in common, whichever answer their figures are from. */
export const ofRun = ({ run, answer }: { run: RunNow; answer: ReadonlySignal<Answer<unknown>> }) => ({
  kind: null,
  answer,
  asOfMs: null,
  data: marketOf(run.status.data),
  ...steady(answer),
});

/** Whose money it is. */
export function LabelTag({ label }: { label: Label }) {
  return (
    <span class={`trade-label is-${label}`} title={says(`label_${label}_is`)}>
      <span aria-hidden="true">{GLYPHS[label]}</span> {says(`label_${label}`)}
    </span>
  );
}

/** One run: a frame that says whose money it is, and everything about it inside. */
export function RunCard(props: OfRun & { points: readonly Point[]; isWhole: boolean }) {
  const { run, points, isWhole } = props;
  const { status, label } = run;
  return (
    <section
      class={`trade-run is-${label}`}
      data-run={status.run}
      data-label={label}
      data-life={lifeOf(run)}
      aria-label={`${says(`label_${label}`)} ${status.strategy} ${status.instrument}`}
    >
      <Strip run={run} />
      {lifeOf(run) === "silent" ? <Silent run={run} /> : null}
      {lifeOf(run) === "over" && isHeld(run) ? <p class="trade-left">◐ {says("left")}</p> : null}
      {status.halted === "" ? null : (
        <p class="trade-alarm" role="alert">
          ✕ {says("halted")}: {status.halted}
        </p>
      )}
      {status.contact?.is_mismatched ? (
        <p class="trade-alarm" role="alert">
          ✕ {says("mismatch_is")}: {status.contact.why}
        </p>
      ) : null}
      {status.warnings.length > 0 ? (
        <ul class="trade-warnings" aria-label={says("warnings")}>
          {status.warnings.map((one) => (
            <li key={one}>{one}</li>
          ))}
        </ul>
      ) : null}
      <div class="trade-grid">
        <PositionPanel {...props} />
        <AccountPanel {...props} points={points} />
        <WorkingPanel {...props} />
        {isWhole ? (
          <>
            <FillsPanel {...props} />
            <LatencyPanel {...props} />
            <RefusedPanel {...props} />
            <ExchangePanel {...props} />
            <OrdersPanel {...props} />
            {lifeOf(run) !== "runs" ? <DivergencePanel {...props} /> : null}
          </>
        ) : null}
      </div>
    </section>
  );
}

function Strip({ run }: { run: RunNow }) {
  const { status, label } = run;
  const [glyph, tone] = LAMPS[lifeOf(run)];
  return (
    <header class="trade-strip">
      <LabelTag label={label} />
      <span class="trade-money">{says(`label_${label}_is`)}</span>
      <DataTag data={marketOf(status.data)} withObserved />
      <b>{status.strategy}</b>
      <span>{status.instrument}</span>
      <span class={`nowrap ${tone}`}>
        <span aria-hidden="true">{glyph}</span> {says(lifeOf(run))}
      </span>
      <Told run={run} />
      <span class="dim nowrap">{says("since", { at: datetime(status.begun_ms) })}</span>
      {status.armed_until_ms == null ? null : (
        <span class="warn nowrap">{says("armed", { at: datetime(status.armed_until_ms) })}</span>
      )}
      <span class="dim num nowrap">
        {number(status.decisions)} {says("decisions")} · {number(status.orders)} {says("orders_n")} ·{" "}
        {number(status.fills)} {says("fills_n")}
      </span>
      <code title={says("run")}>{status.run}</code>
    </header>
  );
}

/** How long ago its trader told, in real time. */
function Told({ run }: { run: RunNow }) {
  second.value;
  const ms = Math.max(0, Date.now() - run.status.at_ms);
  const level = run.status.is_over ? "" : ms > 2 * LATE_MS ? "bad" : ms > LATE_MS ? "warn" : "";
  return <span class={`age ${level}`}>{says("told", { age: age(ms) })}</span>;
}

function Silent({ run }: { run: RunNow }) {
  second.value;
  return (
    <p class="trade-alarm" role="alert">
      ✕ {says("silent_long", { age: age(Date.now() - run.status.at_ms) })}{" "}
      {says(run.label === "PAPER" ? "silent_paper" : "silent_live")}
    </p>
  );
}
