import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { language } from "../../app/settings";
import type { Answer } from "../../live/answers";
import { useAnswer } from "../../live/answers";
import { key } from "../../live/api";
import { datetime, number, percent, share, signed } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { DataTag } from "../../ui/tag";
import { verdictGlyph, verdictOf, verdictTone, verdictWord } from "../../words/verdicts";
import { CostsPanel } from "./costs";
import { DetailsPanel } from "./details";
import { EquityPanel } from "./equity";
import type { RunBody, Summary } from "./figures";
import { MonthsPanel } from "./months";
import { marketOf, RunKindTag, runsSheet } from "./runs";
import { TradesPanel } from "./trades";
import { says } from "./words";

export type RunAnswer = ReadonlySignal<Answer<RunBody>>;

/** One run whole: what may be said of it first, then the figures that say so. */
export function RunPanels({ id, isNewest }: { id: string; isNewest: boolean }) {
  const answer = useAnswer("/api/v1/runs/{id}", { id });
  const run = answer.value.body?.run ?? null;
  const cursor = useSignal<number | null>(null);
  return (
    <div class="run" data-run={id}>
      <VerdictPanel answer={answer} isNewest={isNewest} />
      {run === null ? null : (
        <>
          <EquityPanel answer={answer} run={run} cursor={cursor} />
          <div class="run-halves">
            <MonthsPanel answer={answer} run={run} />
            <CostsPanel answer={answer} run={run} />
          </div>
          <TradesPanel answer={answer} run={run} />
          <DetailsPanel answer={answer} run={run} />
        </>
      )}
    </div>
  );
}

/** Figures of a run do not get old: what is there is right. */
export const steady = (answer: RunAnswer) =>
  answer.value.body === null ? {} : { state: { name: "ready" } as const, asOfMs: null };

/** The verdict's sentence: the run's own, or in Korean where its figures are enough to say it. */
export function sentence(run: Summary): { text: string; lang: "en" | "ko" } {
  if (language.value === "en") return { text: run.why, lang: "en" };
  if (run.verdict === "too-few-trades") return { text: says("say_few", { n: number(run.trades) }), lang: "ko" };
  if (run.verdict !== "loses-after-costs" || run.trades === 0) return { text: run.why, lang: "en" };
  const each = signed(run.net / run.trades);
  return { text: says("say_loses", { net: signed(run.net), n: number(run.trades), each }), lang: "ko" };
}

function VerdictPanel({ answer, isNewest }: { answer: RunAnswer; isNewest: boolean }) {
  const run = answer.value.body?.run.summary ?? null;
  const name = verdictOf(run?.verdict);
  const said = run === null ? null : sentence(run);
  return (
    <Panel
      id="run-verdict"
      title={says("run")}
      kind={null}
      answer={answer}
      {...steady(answer)}
      csv={() => (run === null ? null : runsSheet([run]))}
      {...(isNewest ? { footer: <p>{says("first_run")}</p> } : {})}
      controls={run === null ? null : <Sheets run={run} />}
    >
      {run === null || said === null ? null : (
        <div class={`run-verdict ${verdictTone(name)}`} data-verdict={run.verdict}>
          <p class="run-said">
            <b>
              <span aria-hidden="true">{verdictGlyph(name)}</span> {verdictWord(name)}
            </b>
            <span lang={said.lang}>{said.text}</span>
          </p>
          <p class="run-what dim">
            <RunKindTag kind={run.kind} /> <DataTag data={marketOf(run.data)} withObserved /> <b>{run.strategy}</b>
            <span>{run.instrument}</span>
            <span class="num">
              {datetime(run.from_ms)} – {datetime(run.to_ms)}
            </span>
            <code>{run.id}</code>
          </p>
          <Headline run={run} />
        </div>
      )}
    </Panel>
  );
}

function Headline({ run }: { run: Summary }) {
  const sign = run.net < 0 ? "bad" : run.net > 0 ? "ok" : "";
  const interval =
    run.win_low == null
      ? null
      : says("win_interval", { low: share(run.win_low, 0), high: share(run.win_high ?? null, 0) });
  return (
    <dl class="headline">
      <Big label={says("net")} note={signed(run.net)}>
        <span class={sign}>{percent((100 * run.net) / run.deposit)}</span>
      </Big>
      <Big label={says("trades")} note={run.liquidations > 0 ? `✕ ${run.liquidations} ${says("liquidated")}` : null}>
        {number(run.trades)}
      </Big>
      <Big label={says("wins")} note={interval}>
        {share(run.win_rate, 0)}
      </Big>
      <Big label={says("drawdown")} note={null}>
        {percent(-100 * run.max_drawdown, 1, false)}
      </Big>
      <Big label={says("sharpe")} note={null}>
        {number(run.sharpe, 2)}
      </Big>
      <Big label={says("coverage")} note={null}>
        {share(run.coverage)}
      </Big>
    </dl>
  );
}

function Big({ label, note, children }: { label: string; note: string | null; children: ComponentChildren }) {
  return (
    <div>
      <dt class="dim">{label}</dt>
      <dd class="num">{children}</dd>
      {note === null ? null : <dd class="dim num headline-note">{note}</dd>}
    </div>
  );
}

/** The tear sheet in its three forms; a key cannot stand in an address, so that with one there are no links. */
function Sheets({ run }: { run: Summary }) {
  if (key() !== null) return null;
  const at = `/api/v1/runs/${run.id}/tearsheet`;
  return (
    <span class="sheets">
      <span class="dim">{says("sheet")}</span>
      <a href={`${at}?format=html`} target="_blank" rel="noopener">
        {says("sheet_page")}
      </a>
      <a href={`${at}?format=png`} target="_blank" rel="noopener">
        {says("sheet_picture")}
      </a>
      <a href={`${at}?format=json`} target="_blank" rel="noopener">
        JSON
      </a>
    </span>
  );
}
