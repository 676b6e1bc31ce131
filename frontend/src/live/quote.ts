/** A symbol's price, open interest and funding, from the rows of its contracts. */
import type { MarketMembers, MarketRow } from "./shapes";

export interface Quote {
  /** Middle of the marks; of an instrument, its own. */
  price: number | null;
  /** Market time of the newest, epoch ms. */
  timeMs: number | null;
  /** Dollars, one side, of the contracts that tell it. */
  openInterestUsd: number | null;
  contracts: number;
}

const NOTHING: Quote = { price: null, timeMs: null, openInterestUsd: null, contracts: 0 };

/** The coin of a coin or an instrument: `BTC` of `BTC-USDT-PERP.BINANCE`. */
export const coinOf = (symbol: string): string => symbol.split("-")[0] ?? symbol;

const markOf = (row: MarketRow): number | null => row.mark ?? row.last;

/** Open interest in dollars: as told, else contracts by the mark. */
export function openInterestOf(row: MarketRow): number | null {
  if (row.open_interest_usd !== null) return row.open_interest_usd;
  const mark = markOf(row);
  return row.open_interest === null || mark === null ? null : row.open_interest * mark;
}

/** The middle of some numbers; null of none. */
export function median(values: readonly number[]): number | null {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? null;
  if (sorted.length % 2 || high === null) return high;
  return ((sorted[middle - 1] ?? high) + high) / 2;
}

/** One figure of each kind of all contracts of a symbol. */
export function quoteOf(members: MarketMembers | null): Quote {
  const rows = Object.values(members ?? {});
  if (!rows.length) return NOTHING;
  const sizes = rows.map(openInterestOf).filter((usd) => usd !== null);
  return {
    price: median(rows.map(markOf).filter((mark) => mark !== null)),
    timeMs: Math.max(...rows.map((row) => row.time_ms)),
    openInterestUsd: sizes.length ? sizes.reduce((sum, usd) => sum + usd, 0) : null,
    contracts: rows.length,
  };
}

interface Closed {
  open_ms: number;
  open: number;
}

/**
 * The price at a time, from candles that are newest first; null where none of them stands within a quarter of an hour.
 *
 * @param atMs epoch ms
 */
export function priceAt(candles: readonly Closed[], atMs: number): number | null {
  const QUARTER_MS = 900_000;
  const near = candles.find((candle) => candle.open_ms <= atMs + QUARTER_MS / 2);
  return near && Math.abs(near.open_ms - atMs) <= QUARTER_MS ? near.open : null;
}
