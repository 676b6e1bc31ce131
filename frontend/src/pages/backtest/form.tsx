import { type ReadonlySignal, type Signal, useSignal } from "@preact/signals";
import { type Fault, Refusal } from "../../acts/post";
import { coin, parameter } from "../../app/route";
import { type Answer, useAnswer } from "../../live/answers";
import type { Body } from "../../live/api";
import { Panel } from "../../ui/panel";
import { verdictGlyph, verdictOf, verdictTone, verdictWord } from "../../words/verdicts";
import { flawOf, type Strategy } from "./figures";
import { type Own, Parameters } from "./parameters";
import { type Order, start } from "./start";
import { says } from "./words";

type StrategiesBody = Body<"/api/v1/strategies">;
type JobsBody = Body<"/api/v1/backtests">;
const SPANS = ["6h", "24h", "7d", "30d", "90d"] as const;

interface FormProps {
  strategies: ReadonlySignal<Answer<StrategiesBody>>;
  jobs: ReadonlySignal<Answer<JobsBody>>;
}

/** What is set, in the address where it matters; parameters only where they differ from what is configured. */
interface Draft {
  strategy: Signal<string>;
  contract: Signal<string>;
  span: Signal<string>;
  from: Signal<string>;
  to: Signal<string>;
  deposit: Signal<string>;
  own: Own;
}

/** Choose a strategy, a contract, a time and parameters, and start. */
export function FormPanel({ strategies, jobs }: FormProps) {
  const draft: Draft = {
    strategy: parameter("strategy", "hold"),
    contract: parameter("on", ""),
    span: parameter("span", "all"),
    from: parameter("from", ""),
    to: parameter("to", ""),
    deposit: parameter("deposit", ""),
    own: useSignal<Readonly<Record<string, string>>>({}),
  };
  const symbols = useAnswer("/api/v1/symbols", { limit: 200 });
  const known = strategies.value.body?.strategies ?? [];
  const contracts = contractsOf(symbols.value.body);
  const strategy = known.find((one) => one.name === draft.strategy.value) ?? known[0];
  const contract = contracts.find((id) => id === draft.contract.value) ?? ofCoin(contracts, coin.value);
  return (
    <Panel
      id="backtest-form"
      title={says("form")}
      kind={null}
      answer={strategies}
      asOfMs={null}
      {...(strategies.value.body === null ? {} : { state: { name: "ready" } as const })}
    >
      {strategy === undefined ? null : (
        <Form {...{ draft, known, strategy, contracts, contract, jobs }} key={strategy.name} />
      )}
    </Panel>
  );
}

function contractsOf(body: Body<"/api/v1/symbols"> | null): string[] {
  return (body?.coins ?? []).flatMap((one) => one.contracts.map((contract) => contract.id));
}

/** The first contract of the coin looked at, or of any. */
function ofCoin(contracts: readonly string[], wanted: string): string {
  return contracts.find((id) => id === wanted || id.startsWith(`${wanted}-`)) ?? contracts[0] ?? "";
}

interface InnerProps {
  draft: Draft;
  known: readonly Strategy[];
  strategy: Strategy;
  contracts: readonly string[];
  contract: string;
  jobs: ReadonlySignal<Answer<JobsBody>>;
}

function Form({ draft, known, strategy, contracts, contract, jobs }: InnerProps) {
  const faults = useSignal<readonly Fault[]>([]);
  const trouble = useSignal<string | null>(null);
  const isStarting = useSignal(false);
  const flaws = strategy.parameters.filter((one) => {
    const text = draft.own.value[one.name];
    return text !== undefined && flawOf(one, text) !== null;
  });
  const submit = async (): Promise<void> => {
    isStarting.value = true;
    faults.value = [];
    trouble.value = null;
    try {
      await start(orderOf(draft, strategy, contract));
    } catch (error) {
      faults.value = error instanceof Refusal ? error.faults : [];
      trouble.value = error instanceof Error ? error.message : String(error);
    }
    isStarting.value = false;
    jobs.peek().refresh();
  };
  const fault = (pointer: string): string | null =>
    faults.value.find((one) => one.pointer === pointer)?.message ?? null;
  return (
    <form
      class="backtest-form"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <div class="fields">
        <Field label={says("strategy")} fault={fault("/strategy")}>
          <select
            id="backtest-strategy"
            value={strategy.name}
            onChange={(event) => {
              draft.own.value = {};
              draft.strategy.value = event.currentTarget.value;
            }}
          >
            {known.map((one) => (
              <option key={one.name} value={one.name}>
                {one.name}
                {one.is_baseline ? ` (${says("baseline")})` : ""}
              </option>
            ))}
          </select>
        </Field>
        <Field label={says("contract")} fault={fault("/symbol")}>
          <select
            value={contract}
            onChange={(event) => {
              draft.contract.value = event.currentTarget.value;
            }}
          >
            {contracts.map((id) => (
              <option key={id} value={id}>
                {id}
              </option>
            ))}
          </select>
        </Field>
        <Span draft={draft} fault={fault} />
        <Field label={says("deposit")} fault={fault("/deposit")} title={says("deposit_is")}>
          <input
            type="number"
            inputMode="decimal"
            min="1"
            step="any"
            placeholder="10,000"
            value={draft.deposit.value}
            onInput={(event) => {
              draft.deposit.value = event.currentTarget.value;
            }}
          />
        </Field>
      </div>
      <About strategy={strategy} />
      <Parameters strategy={strategy} own={draft.own} fault={fault} />
      {trouble.value === null ? null : (
        <p class="bad form-trouble" role="alert">
          ✕ {trouble.value}
        </p>
      )}
      <div class="form-end">
        <button type="submit" class="primary" disabled={isStarting.value || flaws.length > 0 || contract === ""}>
          {says(isStarting.value ? "starting" : "start")}
        </button>
        <p class="dim">{says(contract === "" ? "no_contracts" : "moves_no_money")}</p>
      </div>
    </form>
  );
}

/** What is asked of the face. */
function orderOf(draft: Draft, strategy: Strategy, contract: string): Order {
  const { span, from, to, deposit, own } = draft;
  const changed = strategy.parameters.filter((one) => own.value[one.name] !== undefined);
  const day = (text: string): string | null => (text === "" ? null : `${text}T00:00:00Z`);
  const since = span.value === "all" ? null : span.value === "dates" ? day(from.value) : span.value;
  return {
    strategy: strategy.name,
    symbol: contract,
    from: since,
    to: span.value === "dates" ? day(to.value) : null,
    parameters: Object.fromEntries(changed.map((one) => [one.name, Number(own.value[one.name])])),
    deposit: deposit.value === "" ? null : Number(deposit.value),
  };
}

interface FieldProps {
  label: string;
  fault: string | null;
  title?: string | undefined;
  children: preact.ComponentChildren;
}

function Field({ label, fault, title, children }: FieldProps) {
  return (
    <div class="field">
      {/* biome-ignore lint/a11y/noLabelWithoutControl: its control is given */}
      <label title={title}>
        <span class="dim">{label}</span>
        {children}
      </label>
      {fault === null ? null : <p class="bad">{fault}</p>}
    </div>
  );
}

const spanText = (span: string): string =>
  span.endsWith("h") ? says("span_hours", { n: span.slice(0, -1) }) : says("span_days", { n: span.slice(0, -1) });

function Span({ draft, fault }: { draft: Draft; fault: (pointer: string) => string | null }) {
  const { span, from, to } = draft;
  return (
    <>
      <Field label={says("span")} fault={null}>
        <select
          value={span.value}
          onChange={(event) => {
            span.value = event.currentTarget.value;
          }}
        >
          <option value="all">{says("span_all")}</option>
          {SPANS.map((one) => (
            <option key={one} value={one}>
              {spanText(one)}
            </option>
          ))}
          <option value="dates">{says("span_dates")}</option>
        </select>
      </Field>
      {span.value === "dates"
        ? (
            [
              ["from", from],
              ["to", to],
            ] as const
          ).map(([name, value]) => (
            <Field key={name} label={says(name)} fault={fault(`/${name}`)}>
              <input
                type="date"
                value={value.value}
                onInput={(event) => {
                  value.value = event.currentTarget.value;
                }}
              />
            </Field>
          ))
        : null}
    </>
  );
}

/** What the strategy is, what it looks at, and what it shipped with. */
function About({ strategy }: { strategy: Strategy }) {
  const name = verdictOf(strategy.verdict?.verdict);
  return (
    <div class="about-strategy">
      <p lang="en">{strategy.summary}</p>
      <p class="strategy-facts">
        <span class="dim">{says("needs")}</span>
        {strategy.needs.map((need) => (
          <span key={need} class="chip">
            {need}
          </span>
        ))}
        <span class={verdictTone(name)} title={strategy.verdict?.why ?? says("shipped_none")}>
          <span class="dim">{says("shipped")}</span> {verdictGlyph(name)} {verdictWord(name)}
        </span>
      </p>
    </div>
  );
}
