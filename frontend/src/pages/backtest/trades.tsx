import { useSignal } from "@preact/signals";
import type { Sheet } from "../../ui/export";
import { age, datetime, iso, number, percent, price, signed } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { type Column, Table } from "../../ui/table";
import { plain } from "../../words/verdicts";
import { words } from "../../words/vocabulary";
import type { Run, Trade } from "./figures";
import { type RunAnswer, steady } from "./run";
import { RunKindTag } from "./runs";
import { says } from "./words";

const FIRST = 100;
const STEP = 400;

function sheet(run: Run): Sheet {
  return {
    name: `trades-${run.summary.id}`,
    columns: [
      ...["opened", "closed", "side", "size", "entry", "exit", "gross", "fees", "funding", "slippage", "net"],
      ...["worst", "best", "why_in", "why_out", "is_liquidated"],
    ],
    rows: run.trades.map((one) => [
      ...[iso(one.opened_ms), iso(one.closed_ms), one.side, one.size, one.entry, one.exit, one.gross, one.fees],
      ...[one.funding, one.slippage, one.net, one.worst, one.best, one.why_in, one.why_out, String(one.is_liquidated)],
    ]),
    notes: [`${run.summary.kind} ${run.summary.strategy} ${run.summary.instrument} ${run.summary.data}`],
  };
}

/** A side as a word: here the position that was held, not one that was closed by force. */
function Held({ side }: { side: string }) {
  const isLong = side === "LONG";
  return (
    <span class={isLong ? "long" : "short"}>
      {isLong ? "▲" : "▼"} {words(isLong ? "long" : "short")}
    </span>
  );
}

const tone = (value: number): string => (value < 0 ? "bad" : value > 0 ? "ok" : "dim");
const columns = (): Column<Trade>[] => [
  {
    key: "opened",
    label: says("opened"),
    show: (one) => <span class="nowrap">{datetime(one.opened_ms)}</span>,
    by: (one) => one.opened_ms,
  },
  { key: "side", label: says("side"), show: (one) => <Held side={one.side} />, by: (one) => one.side },
  {
    key: "net",
    label: says("net"),
    isNumber: true,
    show: (one) => <b class={tone(one.net)}>{signed(one.net)}</b>,
    by: (one) => one.net,
  },
  { key: "gross", label: says("gross"), isNumber: true, show: (one) => signed(one.gross), by: (one) => one.gross },
  { key: "fees", label: says("fees"), isNumber: true, show: (one) => number(one.fees, 2), by: (one) => one.fees },
  {
    key: "funding",
    label: says("funding"),
    isNumber: true,
    show: (one) => signed(-one.funding),
    by: (one) => -one.funding,
  },
  {
    key: "held",
    label: says("held"),
    isNumber: true,
    show: (one) => age(one.closed_ms - one.opened_ms),
    by: (one) => one.closed_ms - one.opened_ms,
  },
  { key: "size", label: says("size"), isNumber: true, show: (one) => String(one.size), by: (one) => one.size },
  { key: "entry", label: says("entry"), isNumber: true, show: (one) => price(one.entry), by: (one) => one.entry },
  { key: "exit", label: says("exit"), isNumber: true, show: (one) => price(one.exit), by: (one) => one.exit },
  {
    key: "worst",
    label: says("worst"),
    isNumber: true,
    show: (one) => percent(100 * one.worst, 2),
    by: (one) => one.worst,
  },
  {
    key: "best",
    label: says("best"),
    isNumber: true,
    show: (one) => percent(100 * one.best, 2),
    by: (one) => one.best,
  },
  {
    key: "why",
    label: says("why"),
    show: (one) => (
      <span lang="en">
        {plain(one.why_in)} → {plain(one.why_out)}
        {one.is_liquidated ? <b class="bad"> ✕ {says("liquidated")}</b> : null}
      </span>
    ),
    by: (one) => one.why_out,
  },
];

/** Every trade; the first hundred until more are asked for, the CSV has them all. */
export function TradesPanel({ answer, run }: { answer: RunAnswer; run: Run }) {
  const most = useSignal(FIRST);
  const rows = run.trades.slice(-most.value).reverse();
  const left = run.trades.length - rows.length;
  return (
    <Panel
      id="run-trades"
      title={says("trade_list")}
      kind={null}
      answer={answer}
      {...steady(answer)}
      csv={() => sheet(run)}
      controls={
        <>
          <span class="dim num">{says("shown", { n: number(rows.length), of: number(run.trades.length) })}</span>
          <RunKindTag kind={run.summary.kind} />
        </>
      }
    >
      <Table
        caption={says("trade_list")}
        rows={rows}
        rowKey={(one) => `${one.opened_ms}${one.closed_ms}`}
        columns={columns()}
        sorted="-opened"
        rowClass={(one) => (one.is_liquidated ? "liquidated" : "")}
      />
      {left > 0 ? (
        <p class="older">
          <button
            type="button"
            onClick={() => {
              most.value += STEP;
            }}
          >
            {says("more", { n: number(Math.min(left, STEP)) })}
          </button>
        </p>
      ) : null}
    </Panel>
  );
}
