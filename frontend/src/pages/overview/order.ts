/** How the table of coins is sorted, and which of them it shows. */
import { sortedBy } from "../../ui/table";
import type { OverviewRow } from "./live";

type By = (row: OverviewRow) => string | number | null;
const both = (row: OverviewRow, window: "h1" | "h24"): number | null => {
  const told = row.liquidated?.[window];
  return told ? told.long.observed_usd + told.short.observed_usd : null;
};

/** Columns that sort, by their name in the address. */
export const ORDERS = {
  coin: (row) => row.coin,
  price: (row) => row.price?.price ?? null,
  h1: (row) => row.price?.change_1h ?? null,
  h24: (row) => row.price?.change_24h ?? null,
  oi: (row) => row.open_interest?.usd ?? null,
  oi24: (row) => row.open_interest?.change_24h ?? null,
  funding: (row) => row.funding?.rate_8h ?? null,
  liq1: (row) => both(row, "h1"),
  liq24: (row) => both(row, "h24"),
  pull: (row) => row.pull?.balance ?? null,
  mood: (row) => row.sentiment?.index ?? null,
} as const satisfies Record<string, By>;
export type OrderName = keyof typeof ORDERS;

/** Rows that match a text, by an order: `-oi` = most open interest first. */
export function shownRows(rows: readonly OverviewRow[], order: string, wanted: string): OverviewRow[] {
  const name = order.replace(/^-/, "");
  const by: By = name in ORDERS ? ORDERS[name as OrderName] : ORDERS.oi;
  const words = wanted
    .toUpperCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  const found = words.length ? rows.filter((row) => words.some((word) => row.coin.includes(word))) : rows;
  return sortedBy(found, by, name in ORDERS ? order.startsWith("-") : true);
}

/** What a press on a column's head makes of the order: largest first, then smallest first; names the other way. */
export function pressed(order: string, name: OrderName): string {
  const first = name === "coin" ? name : `-${name}`;
  return order === first ? (name === "coin" ? "-coin" : name) : first;
}
