/** What runs of paper and live come to on the page: whose money, how near the end, how late. Pure. */
import type { Point } from "../../charts/scale";
import type { Body } from "../../live/api";

export type TradeBody = Body<"/api/v1/trade">;
export type RunNow = TradeBody["runs"][number];
export type Status = RunNow["status"];
export type Held = Status["held"];
export type Working = Status["working"][number];
export type ModeNow = TradeBody["mode"];
export type OrderRow = Body<"/api/v1/trade/{id}/orders">["orders"][number];
export type FillRow = Body<"/api/v1/trade/{id}/fills">["fills"][number];
export type Divergence = Body<"/api/v1/trade/{id}/divergence">["divergence"];
export type Label = RunNow["label"];

/** Where the market of a run comes from, where the word is known. */
export const marketOf = (data: string): "demo" | "observed" | null =>
  data === "demo" || data === "observed" ? data : null;

/** How a run does, by what its trader told and how long ago. */
export type Life = "runs" | "over" | "silent";
export const lifeOf = (run: RunNow): Life => (run.is_running ? "runs" : run.status.is_over ? "over" : "silent");

export const isHeld = (run: RunNow): boolean => run.status.held.side !== null;

/** Runs that get a card: those that run or hold something, what was chosen, else the newest. */
export function shownOf(runs: readonly RunNow[], chosen: string): RunNow[] {
  const wanted = runs.filter((run) => run.is_running || isHeld(run) || run.status.run === chosen);
  return wanted.length ? wanted : runs.slice(0, 1);
}

/** Whether a position is protected. */
export type Protection = "flat" | "stopped" | "naked";
export const protectionOf = ({ held }: Status): Protection =>
  held.side === null ? "flat" : held.stop == null ? "naked" : "stopped";

/** How far from the mark a price is, as a fraction of the mark; below 0 = below it. */
export function awayOf(price: number | null | undefined, mark: number | null | undefined): number | null {
  return price == null || mark == null || mark === 0 ? null : price / mark - 1;
}

/** A price on the way from the liquidation to the mark and beyond: where it stands, 0 to 1. */
export interface Place {
  name: "liquidation" | "stop" | "entry" | "mark";
  at: number;
}

/** The prices of a position beside each other; none while it is flat, or the mark is not known. */
export function placesOf(held: Held): Place[] {
  if (held.side === null || held.mark == null) return [];
  const prices = { liquidation: held.liquidation_price, stop: held.stop, entry: held.entry_price, mark: held.mark };
  const known = Object.entries(prices).filter((one): one is [Place["name"], number] => one[1] != null);
  const values = known.map(([, price]) => price);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (!(high > low)) return [];
  return known.map(([name, price]) => ({ name, at: (price - low) / (high - low) }));
}

/** What was earned or lost since the run began, of its deposit. */
export function netOf({ money }: Status): { net: number; share: number | null } {
  const net = money.equity - money.deposit;
  return { net, share: money.deposit > 0 ? net / money.deposit : null };
}

/** Milliseconds from the exchange's stamp to the order that the documents allow. */
export const BUDGET_MS = 100;
/** The way of an event, in its order; stages that are not known here come after these. */
export const STAGES = ["receive", "decide", "journal", "send", "acknowledge", "whole"] as const;
/** From the exchange's time to the order on its way: what the budget is of. */
export const WHOLE = "whole";

export interface Stage {
  name: string;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  count: number;
}

/** Latencies by stage, along the way. */
export function stagesOf(told: Status["latency_ms"]): Stage[] {
  const rank = (name: string): number => {
    const at = STAGES.indexOf(name as (typeof STAGES)[number]);
    return at < 0 ? STAGES.length : at;
  };
  return Object.entries(told)
    .map(([name, spread]) => ({ name, ...spread }))
    .sort((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name));
}

/** Entries that risk refused, by reason, the commonest first. */
export const refusalsOf = (refused: Status["refused"]): [string, number][] =>
  Object.entries(refused).sort(([a, n], [b, m]) => m - n || a.localeCompare(b));

/** Points kept of a run's equity while the page is open. */
export const KEPT = 900;

/** One more point of equity; the same moment is told once. */
export function grown(points: readonly Point[], { at_ms: at, money }: Status): readonly Point[] {
  const last = points.at(-1);
  if (last !== undefined && last[0] >= at) return points;
  return [...points.slice(1 - KEPT), [at, money.equity]];
}
