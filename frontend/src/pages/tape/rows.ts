/** What the tape tells of its rows: how large they are, and what came lately. Pure. */
import type { LiquidationRow } from "../../live/shapes";

/** Dollars from which a row stands out, and from which it is a large one. */
export interface Tiers {
  big: number;
  huge: number;
}

const LARGE_COINS = new Set(["BTC", "ETH"]);

/** By coin: what is large in BTC is not what is large elsewhere. */
export function tiersOf(symbol: string): Tiers {
  const isLarge = LARGE_COINS.has(symbol.split("-")[0] ?? symbol);
  return isLarge ? { big: 30_000, huge: 100_000 } : { big: 10_000, huge: 50_000 };
}

export function tierOf(usd: number | null, tiers: Tiers): "" | "big" | "huge" {
  if (usd === null || usd < tiers.big) return "";
  return usd < tiers.huge ? "big" : "huge";
}

export interface Summary {
  count: number;
  longsUsd: number;
  shortsUsd: number;
}

type Sized = Pick<LiquidationRow, "received_ms" | "side" | "usd">;

/**
 * Of the newest rows that came after one was last summed up.
 *
 * @param rows newest first
 * @param count how many of them are new
 */
export function summed(rows: readonly Sized[], count: number): Summary {
  const found = { count, longsUsd: 0, shortsUsd: 0 };
  for (const row of rows.slice(0, count)) {
    if (row.side === "LONG") found.longsUsd += row.usd ?? 0;
    else found.shortsUsd += row.usd ?? 0;
  }
  return found;
}

/** The channel of a symbol's liquidations of some dollars at least. */
export function channelOf(symbol: string | null, leastUsd: number): string {
  const least = leastUsd > 0 ? `@${leastUsd}` : "";
  return symbol === null ? `liquidations${least}` : `liquidations:${symbol}${least}`;
}

const keyOf = (row: LiquidationRow): string => `${row.instrument} ${row.time_ms} ${row.side} ${row.price} ${row.size}`;

/**
 * Rows that came, and beneath them the stored ones that are not among them.
 *
 * @param live newest first
 * @param stored newest first
 */
export function joined(
  live: readonly LiquidationRow[],
  stored: readonly LiquidationRow[],
  keep: number,
): readonly LiquidationRow[] {
  if (!stored.length || live.length >= keep) return live;
  const known = new Set(live.map(keyOf));
  return [...live, ...stored.filter((row) => !known.has(keyOf(row)))].slice(0, keep);
}
