import type { ReadonlySignal, Signal } from "@preact/signals";
import { coin } from "../../app/route";
import { type Answer, useAnswer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { datetime, iso, share, venue, zoneName } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Picker, Segments } from "../../ui/picker";
import { type Column, Table } from "../../ui/table";
import { plain } from "../../words/verdicts";
import { words } from "../../words/vocabulary";
import { outcomeOf, type SignalRow, type SignalsBody } from "./figures";
import { took } from "./latency";
import { says } from "./words";

interface LogProps {
  /** Of the coin, for the strategies there are. */
  newest: ReadonlySignal<Answer<SignalsBody>>;
  chosen: { before: Signal<string>; kind: Signal<string>; strategy: Signal<string>; side: Signal<string> };
}

const EVERY_MS = 5_000;
const LIMIT = 100;

export function signalsSheet(rows: readonly SignalRow[]): Sheet {
  return {
    name: `signals-${coin.peek()}`,
    columns: [
      ...["time", "received", "strategy", "instrument", "side", "near_miss", "failed", "refusal", "why", "p_up"],
      ...["p_down", "edge", "edge_bps", "confidence", "values"],
    ],
    rows: rows.map((one) => [
      ...[iso(one.at_ms), iso(one.received_ms), one.strategy, one.instrument, one.side, String(one.is_near_miss)],
      ...[one.failed.join(" "), one.refusal, one.why, one.p_up, one.p_down, one.edge, one.edge_bps, one.confidence],
      JSON.stringify(one.values),
    ]),
    notes: ["MODEL"],
  };
}

/** The log: signals, near misses with the rule that failed, and what risk said of them. */
export function LogPanel({ newest, chosen }: LogProps) {
  const { before, kind, strategy, side } = chosen;
  const near = kind.value === "near-misses" || kind.value === "signals" ? kind.value : "all";
  const sided = side.value === "LONG" || side.value === "SHORT" || side.value === "FLAT" ? side.value : null;
  const answer = useAnswer(
    "/api/v1/signals",
    {
      symbol: coin.value,
      kind: near,
      limit: LIMIT,
      ...(strategy.value === "all" ? {} : { strategy: strategy.value }),
      ...(sided === null ? {} : { side: sided }),
      ...(before.value === "" ? {} : { cursor: before.value }),
    },
    { everyMs: EVERY_MS },
  );
  const body = answer.value.body;
  const rows = body?.signals ?? [];
  const isNone = body !== null && rows.length === 0;
  const names = newest.value.body?.strategies ?? [];
  return (
    <Panel
      id="signal-list"
      title={says("list")}
      kind="model"
      answer={answer}
      {...(isNone ? { state: { name: "ready" } as const } : {})}
      csv={() => signalsSheet(answer.peek().body?.signals ?? [])}
      controls={<Controls names={names} chosen={chosen} />}
    >
      {isNone ? (
        <p class="dim none">
          {says("none")} {body.meta.notes[0] === undefined ? null : <q lang="en">{body.meta.notes[0]}</q>}
        </p>
      ) : (
        <Table
          caption={says("list")}
          rows={rows}
          rowKey={(one) => `${one.at_ms}${one.strategy}${one.instrument}`}
          columns={columns()}
          rowClass={(one) => `outcome-${outcomeOf(one)}`}
        />
      )}
      {body?.next == null && before.value === "" ? null : <Pages next={body?.next ?? null} before={before} />}
    </Panel>
  );
}

function Pages({ next, before }: { next: string | null; before: Signal<string> }) {
  return (
    <p class="row older">
      <button
        type="button"
        disabled={before.value === ""}
        onClick={() => {
          before.value = "";
        }}
      >
        {says("newest_first")}
      </button>
      <button
        type="button"
        disabled={next === null}
        onClick={() => {
          before.value = next ?? "";
        }}
      >
        {says("more")}
      </button>
    </p>
  );
}

function Controls({ names, chosen }: { names: readonly string[]; chosen: LogProps["chosen"] }) {
  return (
    <>
      <Segments
        label={says("which")}
        value={chosen.kind}
        choices={[
          { value: "all", label: says("all") },
          { value: "signals", label: says("signals_only") },
          { value: "near-misses", label: says("near_only") },
        ]}
      />
      <Picker
        label={says("strategy")}
        isBare
        value={chosen.strategy}
        choices={[{ value: "all", label: says("all_strategies") }, ...names.map((value) => ({ value, label: value }))]}
      />
      <Picker
        label={says("side")}
        isBare
        value={chosen.side}
        choices={[
          { value: "all", label: says("all_sides") },
          { value: "LONG", label: words("long") },
          { value: "SHORT", label: words("short") },
          { value: "FLAT", label: says("flat") },
        ]}
      />
    </>
  );
}

/** The side a strategy would hold; what it closes by force is another matter. */
function Wish({ row }: { row: SignalRow }) {
  if (row.side === "FLAT") return <b class="dim">{says("flat")}</b>;
  const isLong = row.side === "LONG";
  return (
    <span class={isLong ? "long" : "short"}>
      {isLong ? "▲" : "▼"} {words(isLong ? "long" : "short")}
    </span>
  );
}

function Outcome({ row }: { row: SignalRow }) {
  switch (outcomeOf(row)) {
    case "no_edge":
      return <span class="dim">◌ {says("no_edge")}</span>;
    case "near":
      return <span>◐ {says("near", { rule: row.failed.map(plain).join(", ") })}</span>;
    case "refused":
      return <span class="warn">✕ {says("refused_short", { why: plain(row.refusal) })}</span>;
    case "flat":
      return <span class="dim">◌ {says("flat")}</span>;
    default:
      return <b class="ok">● {says("wished")}</b>;
  }
}

const columns = (): Column<SignalRow>[] => [
  {
    key: "time",
    label: `${says("time")} (${zoneName()})`,
    show: (one) => <span class="nowrap">{datetime(one.at_ms)}</span>,
    by: (one) => one.at_ms,
  },
  { key: "strategy", label: says("strategy"), show: (one) => <b>{one.strategy}</b>, by: (one) => one.strategy },
  { key: "side", label: says("side"), show: (one) => <Wish row={one} />, by: (one) => one.side },
  { key: "outcome", label: says("outcome"), show: (one) => <Outcome row={one} />, by: (one) => outcomeOf(one) },
  {
    key: "chances",
    label: says("chances"),
    isNumber: true,
    show: (one) => (one.p_up === null ? "—" : `${share(one.p_up, 0)} / ${share(one.p_down, 0)}`),
    by: (one) => one.p_up,
  },
  { key: "why", label: says("why"), show: (one) => <span lang="en">{one.why === "" ? "—" : plain(one.why)}</span> },
  {
    key: "took",
    label: says("took"),
    isNumber: true,
    show: (one) => took(one.received_ms - one.at_ms),
    by: (one) => one.received_ms - one.at_ms,
  },
  {
    key: "contract",
    label: says("contract"),
    show: (one) => (
      <span class="nowrap">
        {one.coin} <span class="dim">{venue(one.venue)}</span>
      </span>
    ),
    by: (one) => one.instrument,
  },
];
