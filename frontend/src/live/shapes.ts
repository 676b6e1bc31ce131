/** What the stream tells: messages, and the rows and members of its channels (docs/streams.md). */
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Meta = Schemas["Meta"];
export type Data = "demo" | "observed" | "replay";
export type HeartState = "live" | "stale" | "gone" | "none";

/** A message of the stream; `seq` is the one had before + `dropped` + what the message brings. */
export interface Message {
  ch: string;
  seq: number;
  ts_ms: number;
  type: "snapshot" | "delta" | "heartbeat" | "error";
  dropped?: number;
  data: unknown;
}

/** A liquidation as a venue reported it. Times are epoch ms, `usd` is dollars, `price` is quote per base. */
export interface LiquidationRow {
  instrument: string;
  venue: string;
  coin: string;
  time_ms: number;
  received_ms: number;
  /** Whose position was closed: LONG = forced selling. */
  side: "LONG" | "SHORT";
  size: number;
  price: number | null;
  price_is: "fill" | "bankruptcy" | null;
  usd: number | null;
  lpi: number | null;
  completeness: Schemas["Completeness"];
  sampling: Schemas["Sampling"];
  data: Data | null;
}

/** One instrument as it stands. */
export interface MarketRow {
  instrument: string;
  venue: string;
  coin: string;
  time_ms: number;
  mark: number | null;
  index: number | null;
  last: number | null;
  /** Fraction per interval. */
  funding_rate: number | null;
  funding_interval_h: number | null;
  next_funding_ms: number | null;
  /** Base units, one side. */
  open_interest: number | null;
  open_interest_usd: number | null;
  data: Data | null;
}

/** A candle, forming or closed; volumes in base units but `quote_volume`. */
export interface CandleRow {
  instrument: string;
  interval: string;
  open_ms: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  quote_volume: number | null;
  trades: number | null;
  taker_buy_volume: number | null;
  is_closed: boolean;
  data: Data | null;
}

/** What was not seen; `to_ms` is null while it lasts. */
export interface GapRow {
  venue: string;
  streams: string[];
  from_ms: number;
  to_ms: number | null;
  cause: string;
  noticed_ms: number;
  data: Data | null;
}

/** One feed of a venue, in market time. */
export interface FeedRow {
  venue: string;
  channel: string;
  state: "live" | "stale" | "silent" | "down" | "replay";
  age_ms: number | null;
  events: number;
  gaps: number;
  coverage_24h: number | null;
  least_24h: number | null;
  least_seen: string | null;
}

/** Members of the channel `status`. */
export interface StatusMembers {
  heart_state?: HeartState;
  /** Messages of the heart that were lost on their way to the face. */
  missed?: number;
  data?: Data;
  feeds?: FeedRow[];
  heart?: { is_running: boolean; market_ms: number; wall_ms: number; rate: number };
  bus?: { is_connected: boolean; queued: number; spilled: number; dropped: number; dead: number; why: string | null };
  events?: Schemas["StatusBody"] extends { events: infer E } ? E : unknown;
}

/** Members of `market` and `market:SYMBOL`, by instrument. */
export type MarketMembers = Record<string, MarketRow>;
/** Members of `candles:ID`. */
export interface CandleMembers {
  "1m"?: CandleRow;
  "1m_closed"?: CandleRow;
}
