import type { ReadonlySignal } from "@preact/signals";
import { coin } from "../../app/route";
import type { Answer } from "../../live/answers";
import type { Body } from "../../live/api";
import { ageMs, marketNow, marketRate, second } from "../../live/clock";
import type { Sheet } from "../../ui/export";
import { age, clockZoned, iso, number, UNKNOWN } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { plain, verdictGlyph, verdictOf, verdictTone, verdictWord } from "../../words/verdicts";
import {
  type Candle,
  FRESH_MS,
  GAUGES,
  litNow,
  momentumOf,
  newestOf,
  outcomeOf,
  type SignalRow,
  type SignalsBody,
  type Strategy,
  seenMs,
  thresholdOf,
  toldNow,
  toldThen,
  volumeMultiple,
} from "./figures";
import { says } from "./words";

type StrategiesBody = Body<"/api/v1/strategies">;
type CandlesBody = Body<"/api/v1/candles">;

interface RulesProps {
  strategies: ReadonlySignal<Answer<StrategiesBody>>;
  signals: ReadonlySignal<Answer<SignalsBody>>;
  candles: ReadonlySignal<Answer<CandlesBody>>;
}

const GLYPHS = { met: "●", failed: "✕", unknown: "◌" } as const;
const TONES = { met: "ok", failed: "bad", unknown: "dim" } as const;

/** How often this page asks for decisions, real ms. */
export const EVERY_MS = 10_000;
/** What is fresh where market time runs faster than this page asks: a decision of the newest answer. */
const freshMs = (): number => FRESH_MS + EVERY_MS * (marketRate() - 1);

/** Those with entry rules: a baseline has none. */
const withRules = (body: StrategiesBody | null): Strategy[] =>
  (body?.strategies ?? []).filter((one) => one.entry_rules.length > 0);

/** What a rule's figure is now, made of the candles that closed; null where candles do not tell it. */
export function figureNow(strategy: Strategy, rule: string, candles: readonly Candle[]): number | null {
  const setting = (name: string, fallback: number): number =>
    strategy.parameters.find((one) => one.name === name)?.value ?? fallback;
  if (rule === "volume-burst") return volumeMultiple(candles, setting("bars", 20));
  return rule === "momentum" ? momentumOf(candles, setting("sigma_bars", 60)) : null;
}

function sheet({ strategies, signals, candles }: RulesProps): Sheet {
  const newest = newestOf(signals.peek().body?.signals ?? []);
  const closed = candles.peek().body?.candles ?? [];
  return {
    name: `entry-rules-${coin.peek()}`,
    columns: ["strategy", "rule", "state", "threshold", "now", "decided", "verdict"],
    rows: withRules(strategies.peek().body).flatMap((one) =>
      one.entry_rules.map((rule) => {
        const row = newest.get(one.name);
        const now = figureNow(one, rule, closed);
        return [
          ...[one.name, rule, litNow(one, rule, now, row, marketNow(), freshMs()), thresholdOf(one, rule), now],
          ...[iso(row?.at_ms ?? null), one.verdict?.verdict ?? null],
        ];
      }),
    ),
  };
}

/** Each strategy's entry rules as lamps, with its shipped verdict above them. */
export function RulesPanel(props: RulesProps) {
  const { strategies, signals, candles } = props;
  const body = strategies.value.body;
  const newest = newestOf(signals.value.body?.signals ?? []);
  const closed = candles.value.body?.candles ?? [];
  return (
    <Panel
      id="signal-rules"
      title={says("rules")}
      kind="model"
      answer={strategies}
      asOfMs={signals.value.body?.meta.as_of_ms ?? null}
      {...(body === null ? {} : { state: { name: "ready" } as const })}
      csv={() => sheet(props)}
      table={() => sheet(props)}
      controls={<span class="dim">{says("no_coin", { coin: coin.value })}</span>}
      footer={<p>{says("rules_help")}</p>}
    >
      <ul class="strategies">
        {withRules(body).map((one) => (
          <Card key={one.name} strategy={one} row={newest.get(one.name)} candles={closed} />
        ))}
      </ul>
    </Panel>
  );
}

function Card({ strategy, row, candles }: { strategy: Strategy; row: SignalRow | undefined; candles: Candle[] }) {
  const name = verdictOf(strategy.verdict?.verdict);
  return (
    <li class="strategy" data-strategy={strategy.name}>
      <p class={`shipped ${verdictTone(name)}`}>
        <b>
          <span aria-hidden="true">{verdictGlyph(name)}</span> {verdictWord(name)}
        </b>
        <span lang="en">{strategy.verdict?.why ?? ""}</span>
        {strategy.verdict === null ? <span class="dim">{says("shipped_none")}</span> : null}
      </p>
      <p class="strategy-head">
        <b>{strategy.name}</b>
        <span class={strategy.is_enabled ? "ok" : "dim"} title={says("enable_hint", { name: strategy.name })}>
          {strategy.is_enabled ? "● " : "◌ "}
          {says(strategy.is_enabled ? "enabled" : "disabled")}
        </span>
        <span class="dim">
          {says("needs")} {strategy.needs.join(", ")}
        </span>
      </p>
      <ul class="rule-lamps">
        {strategy.entry_rules.map((rule) => (
          <Rule key={rule} strategy={strategy} rule={rule} row={row} candles={candles} />
        ))}
      </ul>
      <Newest row={row} />
    </li>
  );
}

interface RuleProps {
  strategy: Strategy;
  rule: string;
  row: SignalRow | undefined;
  candles: Candle[];
}

function Rule({ strategy, rule, row, candles }: RuleProps) {
  second.value;
  const now = figureNow(strategy, rule, candles);
  const seen = seenMs(now, row, candles);
  const atMs = marketNow();
  const lit = litNow(strategy, rule, now, row, atMs, freshMs());
  const known = GAUGES[rule];
  const threshold = thresholdOf(strategy, rule);
  const figure = now ?? toldNow(rule, row, atMs, freshMs());
  const then = figure === null ? toldThen(rule, row) : null;
  return (
    <li class="lamp-row" data-rule={rule} data-lit={lit}>
      <span class={`lit ${TONES[lit]}`}>
        <span aria-hidden="true">{GLYPHS[lit]}</span> {says(lit)}
      </span>
      <span class="rule-name" lang="en">
        {plain(rule)}
      </span>
      <span class="rule-figures num">
        <span>
          <span class="dim">{says("now")}</span> {figure === null ? UNKNOWN : number(figure, 2)}
        </span>
        {then === null || row === undefined ? null : (
          <span>
            <span class="dim">{says("ago", { age: age(ageMs(row.at_ms)) })}</span> {number(then, 2)}
          </span>
        )}
        {threshold === null ? null : (
          <span>
            <span class="dim">{says("threshold")}</span> {threshold}{" "}
            <span class="dim">{known === undefined ? "" : says(known.unit)}</span>
          </span>
        )}
        {seen === null ? null : <span class="dim nowrap">{says("as_of", { at: clockZoned(seen) })}</span>}
      </span>
    </li>
  );
}

/** When the strategy last looked, and what became of it. */
function Newest({ row }: { row: SignalRow | undefined }) {
  second.value;
  if (row === undefined) return <p class="dim newest">◌ {says("newest_none")}</p>;
  const outcome = outcomeOf(row);
  return (
    <p class="newest">
      <span class="dim">{says("newest", { age: age(ageMs(row.at_ms)) })}</span>
      {outcome === "near" ? <span>{says("near", { rule: row.failed.map(plain).join(", ") })}</span> : null}
      {outcome === "refused" ? <span class="warn">{says("refused", { why: plain(row.refusal) })}</span> : null}
      {outcome === "wished" ? <span class="ok">{says("approved")}</span> : null}
      {outcome === "no_edge" ? <span>{says("no_edge")}</span> : null}
    </p>
  );
}
