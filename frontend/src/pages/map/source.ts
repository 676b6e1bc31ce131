/** Where the page's figures come from: the map, the candles, the price now. */
import { type ReadonlySignal, useComputed } from "@preact/signals";
import { type MapBody, type MapModel, modelOf } from "../../charts/map_model";
import { useAnswer } from "../../live/answers";
import type { Body } from "../../live/api";
import type { CandleMembers, MarketMembers } from "../../live/shapes";
import { useChannel } from "../../live/stream";
import type { Source } from "../../ui/panel";
import { bars, customQuery, effectiveInterval, isCustom } from "./view";

const CUSTOM_MS = 60_000;
const CONTRACT_MS = 15_000;
const CANDLES_MS = 30_000;

export interface MapSource {
  source: Source;
  body: ReadonlySignal<MapBody | null>;
  model: ReadonlySignal<MapModel | null>;
}

/** A channel that is not told yet is without members. */
const whole = (told: MapBody | null) => (told?.venues ? told : null);

/** The map of a symbol: pushed where the collector keeps it, else asked for. */
export function useMap(symbol: string): MapSource {
  const custom = isCustom.value;
  const isPushed = !custom && !symbol.includes("-");
  const channel = useChannel<MapBody>(isPushed ? `map:${symbol}` : null);
  const plain = !custom && !isPushed ? { symbol } : null;
  const asked = useAnswer("/api/v1/liquidation-map", plain, { everyMs: CONTRACT_MS });
  const made = useAnswer("/api/v1/liquidation-map/custom", custom ? customQuery(symbol) : null, { everyMs: CUSTOM_MS });
  const answer = custom ? made : asked;
  const body = useComputed<MapBody | null>(() =>
    isCustom.value ? made.value.body : isPushed ? whole(channel.value.data) : asked.value.body,
  );
  return { source: isPushed ? channel : answer, body, model: useComputed(() => modelOf(body.value)) };
}

export type CandlesBody = Body<"/api/v1/candles">;

/** Closed candles of the interval, and the one of the minute that forms. */
export function useCandles(symbol: string) {
  const query = { symbol, interval: effectiveInterval.value, limit: bars.value };
  const answer = useAnswer("/api/v1/candles", query, { everyMs: CANDLES_MS });
  const instrument = useComputed(() => answer.value.body?.instrument ?? null);
  const forming = useChannel<CandleMembers>(instrument.value === null ? null : `candles:${instrument.value}`);
  const market = useChannel<MarketMembers>(instrument.value === null ? null : `market:${instrument.value}`);
  const mark = useComputed(() => {
    const row = market.value.data?.[instrument.value ?? ""];
    return row?.mark ?? row?.last ?? null;
  });
  return { answer, instrument, forming, mark };
}
export type Candles = ReturnType<typeof useCandles>;
