/** Which published liquidations are wanted, and all of them as a file. */
import { ask, type Body, Problem, type Query } from "../../live/api";
import type { Sheet } from "../../ui/export";

export type RowsBody = Body<"/api/v1/liquidations">;
export type RowsQuery = NonNullable<Query<"/api/v1/liquidations">>;
export type Print = RowsBody["liquidations"][number];

/** Rows of a file at most, and of a page of it. */
export const MOST_ROWS = 100_000;
const PAGE = 1_000;
const LONGEST_WAIT_S = 30;

/** Columns of the file: the fields of the API, in its order. */
export const COLUMNS = [
  "time_ms",
  "received_ms",
  "venue",
  "symbol",
  "instrument",
  "side",
  "size",
  "price",
  "price_is",
  "usd",
  "lpi",
  "completeness",
  "sampling",
] as const satisfies readonly (keyof Print)[];

/** What is asked for, as people set it. */
export interface Filter {
  symbol: string | null;
  venue: string;
  side: string;
  /** Dollars at least. */
  min: string;
  /** `2026-11-20T09:00` in UTC, or empty. */
  from: string;
  to: string;
}

/** A time a person typed (UTC) as the API takes it; null where it is none. */
export function instant(typed: string): string | null {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(typed)) return null;
  const ms = Date.parse(`${typed}Z`);
  return Number.isNaN(ms) ? null : String(ms);
}

/** The question of a filter. */
export function queryOf(filter: Filter, limit: number, cursor: string | null): RowsQuery {
  const usd = Number(filter.min);
  const [from, to] = [instant(filter.from), instant(filter.to)];
  return {
    limit,
    ...(filter.symbol === null ? {} : { symbol: filter.symbol }),
    ...(filter.venue ? { venue: [filter.venue] } : {}),
    ...(filter.side === "long" || filter.side === "short" ? { side: filter.side } : {}),
    ...(usd > 0 ? { min_usd: usd } : {}),
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to }),
    ...(cursor === null ? {} : { cursor }),
  };
}

/** Rows as the API told them. */
export function sheetOf(rows: readonly Print[], name: string, notes: string[] = []): Sheet {
  return { name, columns: [...COLUMNS], rows: rows.map((row) => COLUMNS.map((column) => row[column])), notes };
}

export interface Taken {
  rows: Print[];
  /** There are more than the file may have. */
  isCut: boolean;
}

/** Every page of a filter, newest first, up to `MOST_ROWS`; waits as long as the server asks to. */
export async function allRows(filter: Filter, told: (rows: number) => void, signal: AbortSignal): Promise<Taken> {
  const rows: Print[] = [];
  let cursor: string | null = null;
  do {
    const page: RowsBody = await patient(() => ask("/api/v1/liquidations", queryOf(filter, PAGE, cursor), { signal }));
    rows.push(...page.liquidations);
    told(rows.length);
    cursor = page.next;
  } while (cursor !== null && rows.length < MOST_ROWS && !signal.aborted);
  return { rows: rows.slice(0, MOST_ROWS), isCut: cursor !== null };
}

async function patient<T>(asked: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await asked();
    } catch (error) {
      const wait = error instanceof Problem ? error.retryAfterS : null;
      if (wait === null || wait > LONGEST_WAIT_S) throw error;
      await new Promise((done) => setTimeout(done, Math.max(0.2, wait) * 1_000));
    }
  }
}
