/** What the figures of the index are called in their own units: pure. */

import type { Point } from "../../charts/scale";
import type { Body } from "../../live/api";
import { amount, funding, percent, price, ratio, signed, UNKNOWN, usd } from "../../ui/format";

export type SentimentBody = Body<"/api/v1/market-sentiment">;
export type Contribution = NonNullable<SentimentBody["sentiment"]>["contributions"][number];
export type Figure = SentimentBody["figures"][number];

export const NAMES = [
  "ls_accounts",
  "top_positions",
  "funding",
  "taker",
  "basis",
  "oi_trend",
  "liq_imbalance",
  "momentum",
  "volatility",
] as const;
export type FigureName = (typeof NAMES)[number];

/** Whether a name is one of the nine. */
export function isFigure(name: string): name is FigureName {
  return (NAMES as readonly string[]).includes(name);
}

/** A figure's level as people say it. */
export function levelText(name: string, value: number | null): string {
  if (value === null) return UNKNOWN;
  if (name === "funding" || name === "basis") return funding(value);
  if (name === "oi_trend") return percent(100 * value);
  if (name === "volatility") return percent(100 * value, 2, false);
  if (name === "liq_imbalance") return signed(value);
  if (name === "momentum") return `${signed(value)} σ`;
  return ratio(value);
}

/** What one venue told of a figure: ratios, open interest and prices come as their logarithms. */
export function sourceText(name: string, value: number | null): string {
  if (value === null) return UNKNOWN;
  if (name === "ls_accounts" || name === "top_positions" || name === "taker") return ratio(Math.exp(value));
  if (name === "oi_trend") return amount(Math.exp(value));
  if (name === "momentum" || name === "volatility") return price(Math.exp(value));
  if (name === "liq_imbalance") return usd(value);
  return funding(value);
}

/** The values of a day at the moments of the index. */
export function dated(
  moments: readonly (readonly [number, number | null])[],
  values: readonly (number | null)[],
): Point[] {
  const late = moments.length - values.length;
  return values.flatMap((value, n) => {
    const at = moments[n + late]?.[0];
    return at === undefined ? [] : [[at, value] as const];
  });
}

/** How far a figure is from its usual, in words. */
export function unusual(z: number | null): "unknown" | "usual" | "unusual" | "rare" {
  if (z === null) return "unknown";
  const far = Math.abs(z);
  return far < 1 ? "usual" : far < 2.5 ? "unusual" : "rare";
}

/** The zones of the index, by where they end. */
export const ZONES = [20, 40, 60, 80, 100] as const;
export type ZoneName = "extreme_fear" | "fear" | "neutral" | "greed" | "extreme_greed";

/** The zone of an index of 0 to 100. */
export function zoneOf(index: number): ZoneName {
  if (index < 20) return "extreme_fear";
  if (index < 40) return "fear";
  if (index <= 60) return "neutral";
  return index <= 80 ? "greed" : "extreme_greed";
}

/** Funding per 8 h as a yearly rate, fraction. */
export const yearly = (per8h: number): number => per8h * 3 * 365;
