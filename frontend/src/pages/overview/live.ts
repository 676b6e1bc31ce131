/** What the channel `market` tells between two answers, by coin: so that a table stays current without being made anew. */
import { type ReadonlySignal, useComputed } from "@preact/signals";
import type { Body } from "../../live/api";
import { openInterestOf } from "../../live/quote";
import type { MarketMembers, MarketRow } from "../../live/shapes";
import { useChannel } from "../../live/stream";

export type OverviewBody = Body<"/api/v1/overview">;
export type OverviewRow = OverviewBody["coins"][number];

/** Funding of venues as fractions of 8 h. */
export interface Funding {
  rate: number;
  low: number;
  high: number;
}

/** Whether a note says that a figure is on its way. */
export const isComing = (note: string): boolean => note.endsWith("not reckoned yet");

/** Contracts by coin, as they stand now. */
export type Live = ReadonlyMap<string, readonly MarketRow[]>;

/** The contracts of `market` by their coin. */
export function byCoin(members: MarketMembers | null): Live {
  const found = new Map<string, MarketRow[]>();
  for (const row of Object.values(members ?? {})) {
    const rows = found.get(row.coin);
    if (rows) rows.push(row);
    else found.set(row.coin, [row]);
  }
  return found;
}

/** Contracts by coin; changes with each message. */
export function useLive(): ReadonlySignal<Live> {
  const market = useChannel<MarketMembers>("market");
  return useComputed(() => byCoin(market.value.data));
}

/** The price of the contract the row is of; what the row says where the stream has not told it. */
export function priceOf(row: OverviewRow, live: Live): number | null {
  const told = live.get(row.coin)?.find((one) => one.instrument === row.price?.instrument);
  return told?.mark ?? row.price?.price ?? null;
}

/** A change since then with the price of now: the row's own is of when it was made. */
export function changeOf(row: OverviewRow, live: Live, hours: 1 | 24): number | null {
  const change = hours === 1 ? row.price?.change_1h : row.price?.change_24h;
  const now = priceOf(row, live);
  if (change == null || now === null || !row.price) return null;
  return (now * (1 + change)) / row.price.price - 1;
}

/** Dollars of all venues; the row's where the stream does not tell as many of them. */
export function interestOf(row: OverviewRow, live: Live): number | null {
  const told = (live.get(row.coin) ?? []).map(openInterestOf).filter((usd) => usd !== null);
  if (!row.open_interest || told.length < row.open_interest.of_venues) return row.open_interest?.usd ?? null;
  return told.reduce((sum, usd) => sum + usd, 0);
}

/** Open interest by venue, the most first, as far as the stream tells it. */
export function heldBy(row: OverviewRow, live: Live): { venue: string; usd: number }[] {
  const found = new Map<string, number>();
  for (const one of live.get(row.coin) ?? []) {
    const usd = openInterestOf(one);
    if (usd !== null) found.set(one.venue, (found.get(one.venue) ?? 0) + usd);
  }
  return [...found].map(([venue, usd]) => ({ venue, usd })).sort((a, b) => b.usd - a.usd);
}

/** Weighted by open interest, as the row's; the row's where the stream does not tell as many venues. */
export function fundingOf(row: OverviewRow, live: Live): Funding | null {
  const own = row.funding;
  if (!own) return null;
  const told = (live.get(row.coin) ?? []).flatMap((one) => {
    if (one.funding_rate === null || !one.funding_interval_h) return [];
    return [{ rate: (one.funding_rate * 8) / one.funding_interval_h, weight: openInterestOf(one) ?? 0 }];
  });
  const weight = told.reduce((sum, one) => sum + one.weight, 0);
  if (told.length < own.venues.length || weight <= 0) return { rate: own.rate_8h, low: own.low_8h, high: own.high_8h };
  const rates = told.map((one) => one.rate);
  return {
    rate: told.reduce((sum, one) => sum + one.rate * one.weight, 0) / weight,
    low: Math.min(...rates),
    high: Math.max(...rates),
  };
}
