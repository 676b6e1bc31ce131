import type { ReadonlySignal, Signal } from "@preact/signals";
import { coin, href } from "../../app/route";
import type { Answer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { datetime, iso, number, percent, share, signed } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Picker } from "../../ui/picker";
import { type Column, Table } from "../../ui/table";
import { DataTag } from "../../ui/tag";
import { verdictGlyph, verdictOf, verdictShort, verdictTone, verdictWord } from "../../words/verdicts";
import { idsOf, type RunsBody, type Summary } from "./figures";
import { says } from "./words";

interface RunsProps {
  answer: ReadonlySignal<Answer<RunsBody>>;
  of: Signal<string>;
  shown: string;
  compared: Signal<string>;
  open: (id: string) => void;
}

/** Runs that can be laid over each other at once. */
export const MOST_COMPARED = 4;

/** Runs of one kind alone: `BACKTEST`, `PAPER` or `LIVE`, with what it means. */
export function RunKindTag({ kind }: { kind: string }) {
  const name = kind === "live" ? "live" : kind === "paper" ? "paper" : "backtest";
  return (
    <span class={`tag run-${name}`} title={says(`${name}_title`)}>
      {says(name)}
    </span>
  );
}

/** Where the market of a run came from, where the word is known. */
export const marketOf = (data: string): "demo" | "observed" | "replay" | null =>
  data === "demo" || data === "observed" || data === "replay" ? data : null;

export function runsSheet(rows: readonly Summary[]): Sheet {
  return {
    name: "runs",
    columns: [
      ...["id", "kind", "data", "made", "strategy", "instrument", "from", "to", "verdict", "deposit", "net", "gross"],
      ...["fees", "funding", "slippage", "trades", "win_rate", "win_low", "win_high", "max_drawdown", "sharpe"],
      ...["liquidations", "coverage", "equity_error", "hash", "data_hash"],
    ],
    rows: rows.map((run) => [
      ...[run.id, run.kind, run.data, iso(run.made_ms), run.strategy, run.instrument, iso(run.from_ms), iso(run.to_ms)],
      ...[run.verdict, run.deposit, run.net, run.gross, run.fees, run.funding, run.slippage, run.trades, run.win_rate],
      ...[run.win_low, run.win_high, run.max_drawdown, run.sharpe, run.liquidations, run.coverage, run.equity_error],
      ...[run.hash, run.data_hash],
    ]),
  };
}

/** Every run that is kept: sort, open, tick to compare. */
export function RunsPanel({ answer, of, shown, compared, open }: RunsProps) {
  const body = answer.value.body;
  const all = body?.runs ?? [];
  const names = [...new Set(all.map((run) => run.strategy))].sort();
  const rows = of.value === "all" ? all : all.filter((run) => run.strategy === of.value);
  const isEmpty = body !== null && all.length === 0;
  return (
    <Panel
      id="runs"
      title={says("runs")}
      kind={null}
      answer={answer}
      asOfMs={null}
      {...(body === null ? {} : { state: { name: "ready" } as const })}
      csv={() => runsSheet(rows)}
      controls={
        <Picker
          label={says("strategy")}
          isBare
          value={of}
          choices={[
            { value: "all", label: says("all_strategies") },
            ...names.map((value) => ({ value, label: value })),
          ]}
        />
      }
    >
      {isEmpty ? (
        <None />
      ) : (
        <Table
          caption={says("runs")}
          rows={rows}
          rowKey={(run) => run.id}
          columns={columns(compared, open)}
          sorted="-made"
          rowClass={(run) => (run.id === shown ? "chosen" : "")}
        />
      )}
    </Panel>
  );
}

/** How the first run is made: over what is stored here, whatever market that is. */
function None() {
  return (
    <div class="instead">
      <strong>{says("runs_none")}</strong>
      <p class="dim">{says("runs_none_is")}</p>
      <button type="button" onClick={() => document.getElementById("backtest-strategy")?.focus()}>
        {says("focus")}
      </button>
      <code>perpscope backtest magnet --symbol {coin.value} --venue binance --db PATH</code>
    </div>
  );
}

const tone = (value: number): string => (value < 0 ? "bad" : value > 0 ? "ok" : "dim");

function columns(compared: Signal<string>, open: (id: string) => void): Column<Summary>[] {
  return [
    { key: "compare", label: says("compare"), show: (run) => <Tick run={run} compared={compared} /> },
    {
      key: "strategy",
      label: says("strategy"),
      show: (run) => <Name run={run} open={open} />,
      by: (run) => run.strategy,
    },
    { key: "verdict", label: says("verdict"), show: (run) => <Verdict run={run} />, by: (run) => run.verdict },
    {
      key: "net_share",
      label: says("net_share"),
      isNumber: true,
      show: (run) => <span class={tone(run.net)}>{percent((100 * run.net) / run.deposit)}</span>,
      by: (run) => run.net / run.deposit,
    },
    { key: "net", label: says("net"), isNumber: true, show: (run) => signed(run.net), by: (run) => run.net },
    {
      key: "trades",
      label: says("trades"),
      isNumber: true,
      show: (run) => number(run.trades),
      by: (run) => run.trades,
    },
    {
      key: "wins",
      label: says("wins"),
      isNumber: true,
      show: (run) => share(run.win_rate, 0),
      by: (run) => run.win_rate ?? null,
    },
    {
      key: "drawdown",
      label: says("drawdown"),
      isNumber: true,
      show: (run) => percent(-100 * run.max_drawdown, 1, false),
      by: (run) => run.max_drawdown,
    },
    {
      key: "sharpe",
      label: says("sharpe"),
      isNumber: true,
      show: (run) => number(run.sharpe, 2),
      by: (run) => run.sharpe ?? null,
    },
    { key: "contract", label: says("contract"), show: (run) => run.instrument, by: (run) => run.instrument },
    {
      key: "span",
      label: says("span_column"),
      show: (run) => (
        <span class="nowrap dim">
          {datetime(run.from_ms).slice(0, 10)} – {datetime(run.to_ms).slice(0, 10)}
        </span>
      ),
      by: (run) => run.from_ms,
    },
    {
      key: "made",
      label: says("made"),
      show: (run) => <span class="nowrap dim">{datetime(run.made_ms)}</span>,
      by: (run) => run.made_ms,
    },
  ];
}

function Tick({ run, compared }: { run: Summary; compared: Signal<string> }) {
  const ids = idsOf(compared.value);
  return (
    <label class="tick">
      <input
        type="checkbox"
        checked={ids.includes(run.id)}
        disabled={!ids.includes(run.id) && ids.length >= MOST_COMPARED}
        aria-label={says("compare_it", { id: run.id })}
        onChange={(event) => {
          const left = idsOf(compared.peek()).filter((id) => id !== run.id);
          compared.value = (event.currentTarget.checked ? [...left, run.id] : left).join(",");
        }}
      />
    </label>
  );
}

function Name({ run, open }: { run: Summary; open: (id: string) => void }) {
  return (
    <span class="run-name">
      <a
        href={href("backtest", { run: run.id })}
        aria-label={`${run.strategy}: ${says("open_it", { id: run.id })}`}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
          event.preventDefault();
          open(run.id);
        }}
      >
        {run.strategy}
      </a>
      <span class="run-tags">
        <RunKindTag kind={run.kind} />
        <DataTag data={marketOf(run.data)} />
      </span>
    </span>
  );
}

function Verdict({ run }: { run: Summary }) {
  const name = verdictOf(run.verdict);
  return (
    <span class={`nowrap ${verdictTone(name)}`} title={`${verdictWord(name)} · ${run.why}`}>
      {verdictGlyph(name)} {verdictShort(name)}
    </span>
  );
}
