/** The liquidation map as the page draws it: bars by price, what lies on the way to a price, where labels go. Pure. */
import type { Body } from "../live/api";

export type MapBody = Body<"/api/liquidation-map">;
export type BinStatus = "ACTIVE" | "PARTIAL" | "CLEARED" | "EMPTY";

/** One bar: a price range and the dollars of one side that are expected to be forced there. */
export interface Bin {
  /** Quote per base. */
  low: number;
  high: number;
  /** Dollars; `gross` is before what usually closes by itself is taken off. */
  usd: number;
  gross: number;
  status: BinStatus;
  /** Dollars of it that come from positions a venue shows. */
  measured: number;
  isLong: boolean;
}

export interface MapModel {
  /** The price the map stands around, quote per base. */
  price: number;
  /** Longs below the price and shorts above it, each from the price outwards. */
  longs: readonly Bin[];
  shorts: readonly Bin[];
}

/** The bars of an answer; null where it has none yet. */
export function modelOf(body: MapBody | null): MapModel | null {
  if (body?.summary == null || body.bins.length === 0) return null;
  const bins = body.bins.map((bin) => ({
    low: bin.low,
    high: bin.high,
    usd: bin.usd,
    gross: bin.gross_usd,
    status: bin.status as BinStatus,
    measured: bin.measured_usd,
    isLong: bin.side === "LONG",
  }));
  const price = body.summary.price;
  return {
    price,
    longs: bins.filter((bin) => bin.isLong && bin.low < price).sort((a, b) => b.high - a.high),
    shorts: bins.filter((bin) => !bin.isLong && bin.high > price).sort((a, b) => a.low - b.low),
  };
}

export interface WhatIf {
  price: number;
  isLong: boolean;
  /** Per cent of the map's price, with its sign. */
  distancePct: number;
  usd: number;
  gross: number;
  /** The map reaches so far. */
  isCovered: boolean;
}

/** What would be forced on the way from the map's price to another; a bin that is cut counts by its share. */
export function whatIf(model: MapModel, price: number): WhatIf {
  const isLong = price < model.price;
  const [from, to] = isLong ? [price, model.price] : [model.price, price];
  let usd = 0;
  let gross = 0;
  for (const bin of isLong ? model.longs : model.shorts) {
    const width = Math.min(bin.high, to) - Math.max(bin.low, from);
    if (width <= 0) continue;
    const share = width / (bin.high - bin.low);
    usd += share * bin.usd;
    gross += share * bin.gross;
  }
  const last = (isLong ? model.longs : model.shorts).at(-1);
  const isCovered = last !== undefined && (isLong ? price >= last.low : price <= last.high);
  return { price, isLong, distancePct: 100 * (price / model.price - 1), usd, gross, isCovered };
}

/** The bar at a price, the larger one where both sides have one. */
export function binAt(model: MapModel, price: number): Bin | null {
  const there = [...model.longs, ...model.shorts].filter((bin) => price >= bin.low && price < bin.high);
  return there.sort((a, b) => b.usd - a.usd)[0] ?? null;
}

/** Outer edge and dollars up to there, from the price outwards. */
export function cumulated(bins: readonly Bin[]): (readonly [price: number, usd: number])[] {
  let sum = 0;
  return bins.map((bin) => {
    sum += bin.usd;
    return [bin.isLong ? bin.low : bin.high, sum] as const;
  });
}

export interface Label {
  price: number;
  usd: number;
  isLong: boolean;
  distancePct: number;
  /** CSS pixels. */
  y: number;
}

/** Which clusters are labelled: the largest first, none nearer to another than `apart` pixels, all within the plot. */
export function labelsOf(
  clusters: MapBody["clusters"],
  yOf: (price: number) => number | null,
  top: number,
  bottom: number,
  apart: number,
): Label[] {
  const placed: Label[] = [];
  for (const one of [...clusters].sort((a, b) => b.usd - a.usd)) {
    const y = yOf(one.peak);
    if (y === null || y < top || y > bottom || placed.some((label) => Math.abs(label.y - y) < apart)) continue;
    placed.push({ price: one.peak, usd: one.usd, isLong: one.is_long, distancePct: one.distance_pct, y });
  }
  return placed;
}

/** The prices worth showing: the candles, and as much again around the price, between 2.5 % and 12 % of it. */
export function span(low: number, high: number, price: number): readonly [number, number] {
  const reach = Math.min(0.12, Math.max(0.025, (0.8 * (high - low)) / price)) * price;
  return [Math.min(low, price - reach), Math.max(high, price + reach)];
}
