import { useAnswer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { datetime, iso } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { type Column, Table } from "../../ui/table";
import { plain } from "../../words/verdicts";
import { type OfRun, ofRun } from "./card";
import type { FillRow, OrderRow, Working } from "./figures";
import { says } from "./words";

const EVERY_MS = 2_000;
const LIMIT = 100;

/** Asked again and again while it runs; once, of a run that does not. */
const often = (isRunning: boolean) => (isRunning ? { everyMs: EVERY_MS } : {});

/** A side of an order: not of a position. */
function OrderSide({ side }: { side: string }) {
  const isBuy = side.toLowerCase() === "buy";
  return (
    <span class="nowrap">
      {isBuy ? "▲" : "▼"} {says(isBuy ? "buy" : "sell")}
    </span>
  );
}

/** How much was sent; where more had been decided, that and what made it smaller. */
function HowMuch({ one }: { one: Pick<OrderRow | Working, "size" | "wished" | "bound"> }) {
  const size = one.size ?? says("whatever");
  if (one.wished == null) return <>{size}</>;
  return (
    <>
      {size} <span class="dim">{says("of_wished", { wished: one.wished, bound: bounded(one.bound ?? "") })}</span>
    </>
  );
}

const bounded = (bound: string): string => (bound === "largest" ? says("bound_largest") : bound);

const STATES: Readonly<Record<string, string>> = { unknown: "warn", cancelling: "warn", refused: "bad" };

const workingColumns = (): Column<Working>[] => [
  { key: "role", label: says("role"), show: (one) => <b>{plain(one.role)}</b> },
  { key: "side", label: says("side"), show: (one) => <OrderSide side={one.side} /> },
  { key: "kind", label: says("kind"), show: (one) => plain(one.kind) },
  { key: "price", label: says("price"), isNumber: true, show: (one) => one.price ?? says("market") },
  { key: "size", label: says("how_much"), isNumber: true, show: (one) => <HowMuch one={one} /> },
  { key: "filled", label: says("filled"), isNumber: true, show: (one) => one.filled },
  { key: "state", label: says("state"), show: (one) => <span class={STATES[one.state] ?? ""}>{one.state}</span> },
  { key: "id", label: says("order"), show: (one) => <code>{one.id}</code> },
];

/** Orders that are not over. */
export function WorkingPanel(props: OfRun) {
  const { status } = props.run;
  const rows = status.working;
  return (
    <Panel id={`trade-working-${status.run}`} class="trade-working" title={says("working")} {...ofRun(props)}>
      {rows.length === 0 ? (
        <p class="dim none">{says("no_working")}</p>
      ) : (
        <Table caption={says("working")} rows={rows} rowKey={(one) => one.id} columns={workingColumns()} />
      )}
    </Panel>
  );
}

const fillColumns = (): Column<FillRow>[] => [
  { key: "at", label: says("at"), show: (one) => <span class="nowrap">{datetime(one.at_ms)}</span> },
  { key: "side", label: says("side"), show: (one) => <OrderSide side={one.side} /> },
  { key: "price", label: says("price"), isNumber: true, show: (one) => one.price },
  { key: "size", label: says("how_much"), isNumber: true, show: (one) => one.size },
  { key: "fee", label: says("fee"), isNumber: true, show: (one) => one.fee },
  { key: "gained", label: says("gained"), isNumber: true, show: (one) => one.realised },
  { key: "maker", label: says("liquidity"), show: (one) => says(one.is_maker ? "maker" : "taker") },
  { key: "order", label: says("order"), show: (one) => <code>{one.order || "—"}</code> },
];

function fillsSheet(run: string, label: string, rows: readonly FillRow[]): Sheet {
  return {
    name: `fills-${run}`,
    columns: ["at", "trade_id", "order", "side", "price", "size", "fee", "realised", "is_maker"],
    rows: rows.map((one) => [
      ...[iso(one.at_ms), one.trade_id, one.order, one.side, one.price, one.size, one.fee, one.realised],
      String(one.is_maker),
    ]),
    notes: [label],
  };
}

/** The newest fills, as its journal has them. */
export function FillsPanel({ run }: Pick<OfRun, "run">) {
  const { run: id } = run.status;
  const answer = useAnswer("/api/v1/trade/{id}/fills", { id, limit: LIMIT }, often(run.is_running));
  const rows = answer.value.body?.fills ?? [];
  return (
    <Panel
      id={`trade-fills-${id}`}
      class="trade-fills"
      title={says("fills")}
      {...ofRun({ run, answer })}
      csv={() => fillsSheet(id, run.label, rows)}
    >
      {rows.length === 0 ? (
        <p class="dim none">{says("no_fills")}</p>
      ) : (
        <Table caption={says("fills")} rows={rows} rowKey={(one) => one.trade_id} columns={fillColumns()} />
      )}
    </Panel>
  );
}

const orderColumns = (): Column<OrderRow>[] => [
  { key: "at", label: says("at"), show: (one) => <span class="nowrap">{datetime(one.at_ms)}</span> },
  { key: "role", label: says("role"), show: (one) => <b>{plain(one.role)}</b> },
  { key: "side", label: says("side"), show: (one) => <OrderSide side={one.side} /> },
  { key: "kind", label: says("kind"), show: (one) => plain(one.kind) },
  { key: "price", label: says("price"), isNumber: true, show: (one) => one.price ?? says("market") },
  { key: "size", label: says("how_much"), isNumber: true, show: (one) => <HowMuch one={one} /> },
  { key: "filled", label: says("filled"), isNumber: true, show: (one) => one.filled },
  {
    key: "state",
    label: says("state"),
    show: (one) => (
      <span class={STATES[one.state] ?? ""}>
        {one.state} {one.why ? <span class="dim">{one.why}</span> : null}
      </span>
    ),
  },
  {
    key: "why",
    label: says("why"),
    show: (one) => <span lang="en">{one.is_own ? plain(one.reason) : says("by_trader")}</span>,
  },
  { key: "id", label: says("order"), show: (one) => <code>{one.id}</code> },
];

function ordersSheet(run: string, label: string, rows: readonly OrderRow[]): Sheet {
  return {
    name: `orders-${run}`,
    columns: "at id venue_id role side kind price size wished bound filled state why reason".split(" "),
    rows: rows.map((one) => [
      ...[iso(one.at_ms), one.id, one.venue_id, one.role, one.side, one.kind, one.price, one.size, one.wished ?? null],
      ...[one.bound ?? "", one.filled, one.state, one.why, one.reason],
    ]),
    notes: [label],
  };
}

/** Every order that was written down, what it was for and what became of it. */
export function OrdersPanel({ run }: Pick<OfRun, "run">) {
  const { run: id } = run.status;
  const answer = useAnswer("/api/v1/trade/{id}/orders", { id, limit: LIMIT }, often(run.is_running));
  const rows = answer.value.body?.orders ?? [];
  return (
    <Panel
      id={`trade-orders-${id}`}
      class="trade-orders"
      title={says("orders")}
      {...ofRun({ run, answer })}
      csv={() => ordersSheet(id, run.label, rows)}
    >
      {rows.length === 0 ? (
        <p class="dim none">{says("no_orders")}</p>
      ) : (
        <Table caption={says("orders")} rows={rows} rowKey={(one) => one.id} columns={orderColumns()} />
      )}
    </Panel>
  );
}
