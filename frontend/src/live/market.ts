/** The contracts of a symbol as they stand: told by the stream, or from the store where no heart was heard. */
import { type ReadonlySignal, useComputed } from "@preact/signals";
import { useAnswer } from "./answers";
import type { Body } from "./api";
import type { Data, MarketMembers, MarketRow } from "./shapes";
import { standing } from "./standing";
import { useChannel } from "./stream";

type Symbols = Body<"/api/v1/symbols">;
type Contract = Symbols["coins"][number]["contracts"][number];
const STORE_MS = 30_000;

function rowOf(contract: Contract, coin: string, asOfMs: number, data: Data | null): MarketRow {
  const { id, venue, mark, index, funding_rate, funding_interval_h, open_interest, open_interest_usd } = contract;
  const time_ms = asOfMs - (contract.price_age_ms ?? 0);
  const told = { mark, index, last: null, funding_rate, funding_interval_h, next_funding_ms: null };
  return { instrument: id, venue, coin, time_ms, ...told, open_interest, open_interest_usd, data };
}

/** Contracts of a coin (`BTC`) or one of them by its id, from the list of what is collected. */
export function storedMembers(symbols: Symbols | null, symbol: string): MarketMembers | null {
  const asOfMs = symbols?.meta.as_of_ms;
  if (!symbols || asOfMs == null) return null;
  const rows = symbols.coins.flatMap(({ coin, contracts }) =>
    contracts
      .filter((one) => coin === symbol || one.id === symbol)
      .map((one) => rowOf(one, coin, asOfMs, symbols.meta.data)),
  );
  return Object.fromEntries(rows.map((row) => [row.instrument, row]));
}

/** By instrument; null = nothing was told yet. */
export function useMarket(symbol: string): ReadonlySignal<MarketMembers | null> {
  const channel = useChannel<MarketMembers>(`market:${symbol}`);
  const isAlone = useComputed(() => standing.value.heart === "none");
  const symbols = useAnswer("/api/v1/symbols", isAlone.value ? {} : null, { everyMs: STORE_MS });
  return useComputed(() => (isAlone.value ? storedMembers(symbols.value.body, symbol) : channel.value.data));
}
