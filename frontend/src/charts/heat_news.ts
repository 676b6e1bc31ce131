/** The heat goes on between two answers: the newest map is its newest column. */
import type { Heat } from "./heatmap";

const CODES = 254;
const MOST_COLUMNS = 2000;

/** Dollars of one side in a range of prices. */
export interface Cell {
  low: number;
  high: number;
  usd: number;
}

/** The code of dollars: 0 where there are less than the least, the largest where there are more than the most. */
export function codeOf(heat: Pick<Heat, "leastUsd" | "mostUsd">, usd: number): number {
  if (!(usd >= heat.leastUsd)) return 0;
  const share = Math.log(usd / heat.leastUsd) / Math.log(heat.mostUsd / heat.leastUsd);
  return 1 + Math.min(CODES, Math.round(CODES * share));
}

/** A map's cells as a column of a heat, both sides together; null where their bins are others. */
export function columnOf(heat: Heat, cells: readonly Cell[]): Uint8Array | null {
  const sums = new Float64Array(heat.bins);
  for (const { low, high, usd } of cells) {
    if (Math.abs(high - low - heat.width) > 1e-6 * heat.width) return null;
    const at = Math.round((low - heat.low) / heat.width);
    if (at >= 0 && at < heat.bins) sums[at] = (sums[at] ?? 0) + usd;
  }
  return Uint8Array.from(sums, (usd) => codeOf(heat, usd));
}

/**
 * The heat with a newer map at its end.
 *
 * @param atMs epoch ms of the map; what lies between it and the last column is filled with the last column
 */
export function withNewest(heat: Heat, cells: readonly Cell[], atMs: number): Heat {
  const column = columnOf(heat, cells);
  const place = Math.floor((atMs - heat.firstMs) / heat.stepMs);
  if (column === null || place < heat.columns - 1 || place >= MOST_COLUMNS) return heat;
  const grown = new Uint8Array((place + 1) * heat.bins);
  grown.set(heat.cells);
  const last = heat.cells.subarray((heat.columns - 1) * heat.bins);
  for (let at = heat.columns; at < place; at++) grown.set(last, at * heat.bins);
  grown.set(column, place * heat.bins);
  return { ...heat, cells: grown, columns: place + 1 };
}
