/** What the map page is set to: all of it stands in the address. */
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { parameter } from "../../app/route";
import type { CandleChart } from "../../charts/candles";
import type { Query } from "../../live/api";

export const LOOKBACKS = ["12h", "24h", "3d", "7d"] as const;
export const INTERVALS = ["1m", "5m", "15m", "1h", "4h"] as const;
export const PROFILES = ["calibrated", "conservative", "neutral", "aggressive", "dynamic"] as const;
export const VENUES = ["binance", "bybit", "okx", "bitget", "hyperliquid"] as const;
export type Lookback = (typeof LOOKBACKS)[number];
export type Interval = (typeof INTERVALS)[number];
export type Profile = (typeof PROFILES)[number];

const HOURS: Record<Lookback, number> = { "12h": 12, "24h": 24, "3d": 72, "7d": 168 };
const FITTING: Record<Lookback, Interval> = { "12h": "5m", "24h": "5m", "3d": "15m", "7d": "1h" };
const MINUTES: Record<Interval, number> = { "1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240 };
const MOST_BARS = 1000;

export const lookback = parameter("lookback", "24h") as Signal<Lookback>;
export const interval = parameter("interval", "auto") as Signal<Interval | "auto">;
export const profile = parameter("profile", "calibrated") as Signal<Profile>;
/** Venue names with commas; none = all. */
export const venues = parameter("venues", "");
/** Dollars below which a cell is not drawn; "auto" = three fifths of the cells. */
export const hide = parameter("hide", "auto");
/** Dollars at the end of the ramp, held while comparing; "" = not held. */
export const held = parameter("max", "");
export const scale = parameter("scale", "linear") as Signal<"linear" | "log">;
/** The price of the what-if, quote per base; "" = none pinned. */
export const pinned = parameter("at", "");

/** The price whose level is explained, quote per base; "" = none. */
export const explained = parameter("why", "");

/** The price under the crosshair. */
export const hovered: Signal<number | null> = signal(null);
/** The chart, while it is there. */
export const chart: Signal<CandleChart | null> = signal(null);
/** Grows with each frame the chart draws: what shares its axis follows. */
export const drawn: Signal<number> = signal(0);

export const at: ReadonlySignal<number | null> = computed(() => {
  const price = Number(pinned.value);
  return hovered.value ?? (pinned.value !== "" && price > 0 ? price : null);
});

export const hours: ReadonlySignal<number> = computed(() => HOURS[lookback.value] ?? 24);
export const effectiveInterval: ReadonlySignal<Interval> = computed(() => {
  const asked = interval.value;
  return asked === "auto" || !(asked in MINUTES) ? (FITTING[lookback.value] ?? "5m") : asked;
});
export const stepMs: ReadonlySignal<number> = computed(() => MINUTES[effectiveInterval.value] * 60_000);
/** Candles asked for. */
export const bars: ReadonlySignal<number> = computed(() =>
  Math.min(MOST_BARS, Math.ceil((hours.value * 3_600_000) / stepMs.value)),
);
/** Minutes between columns of the heatmap: about 150 of them. */
export const every: ReadonlySignal<number> = computed(() => Math.max(5, Math.round((hours.value * 60) / 144 / 5) * 5));

export const chosenVenues: ReadonlySignal<string[]> = computed(() =>
  venues.value.split(",").filter((name) => (VENUES as readonly string[]).includes(name)),
);
/** The map is asked with other options than the one the collector keeps current. */
export const isCustom: ReadonlySignal<boolean> = computed(
  () => profile.value !== "calibrated" || chosenVenues.value.length > 0,
);

/** The query of a map made for these options. */
export function customQuery(symbol: string): Query<"/api/liquidation-map/custom"> {
  return {
    ticker: symbol,
    profile: profile.value as never,
    ...(chosenVenues.value.length ? { exchanges: chosenVenues.value.join(",") as never } : {}),
    top: 8,
  };
}

/** The next or previous of some choices; the ends stay. */
export function stepped<T>(choices: readonly T[], now: T, by: number): T {
  const found = choices.indexOf(now);
  return choices[Math.min(choices.length - 1, Math.max(0, found + by))] ?? now;
}
