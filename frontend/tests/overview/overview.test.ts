import { describe, expect, it } from "vitest";
import type { MarketRow } from "../../src/live/shapes";
import {
  byCoin,
  changeOf,
  fundingOf,
  heldBy,
  interestOf,
  type OverviewRow,
  priceOf,
} from "../../src/pages/overview/live";
import { type Coverage, missedOf, seenOf } from "../../src/pages/overview/missed";
import { pressed, shownRows } from "../../src/pages/overview/order";

const row = (coin: string, price: number, more: Partial<OverviewRow> = {}): OverviewRow => ({
  coin,
  price: {
    instrument: `${coin}-USDT-PERP.BINANCE`,
    price,
    change_1h: 0.1,
    change_24h: null,
    high_24h: price,
    low_24h: price,
    since_ms: 0,
    closes: [],
    age_ms: 0,
  },
  open_interest: { usd: price * 10, change_24h: null, of_venues: 2, compared: 0, age_ms: 0 },
  funding: null,
  liquidated: null,
  sentiment: null,
  pull: null,
  venues: [],
  notes: [],
  ...more,
});
const market = (venue: string, more: Partial<MarketRow> = {}): MarketRow => ({
  instrument: `BTC-USDT-PERP.${venue.toUpperCase()}`,
  venue,
  coin: "BTC",
  time_ms: 1,
  mark: 110,
  index: null,
  last: null,
  funding_rate: 0.0001,
  funding_interval_h: 8,
  next_funding_ms: null,
  open_interest: 1,
  open_interest_usd: 100,
  data: "demo",
  ...more,
});

describe("figures between two answers", () => {
  it("takes the price of the same contract, and moves the change with it", () => {
    const live = byCoin({ a: market("binance"), b: market("bybit", { mark: 999 }) });
    expect(priceOf(row("BTC", 100), live)).toBe(110);
    expect(changeOf(row("BTC", 100), live, 1)).toBeCloseTo(0.21);
    expect(changeOf(row("BTC", 100), live, 24)).toBeNull();
    expect(priceOf(row("ETH", 7), live)).toBe(7);
  });

  it("adds up open interest only where every venue of the row is told", () => {
    const two = byCoin({ a: market("binance"), b: market("bybit", { open_interest_usd: 300 }) });
    expect(interestOf(row("BTC", 100), two)).toBe(400);
    expect(interestOf(row("BTC", 100), byCoin({ a: market("binance") }))).toBe(1000);
    expect(heldBy(row("BTC", 100), two).map((one) => one.venue)).toEqual(["bybit", "binance"]);
  });

  it("weighs funding of eight hours by open interest", () => {
    const funding = { rate_8h: 0, low_8h: 0, high_8h: 0, venues: [], age_ms: 0 };
    const live = byCoin({
      a: market("binance"),
      b: market("bybit", { funding_rate: 0.0001, funding_interval_h: 1, open_interest_usd: 300 }),
    });
    const told = fundingOf(row("BTC", 100, { funding }), live);
    expect(told?.rate).toBeCloseTo((0.0001 * 100 + 0.0008 * 300) / 400);
    expect([told?.low, told?.high]).toEqual([0.0001, 0.0008]);
    expect(fundingOf(row("BTC", 100), live)).toBeNull();
  });
});

describe("the table of coins", () => {
  it("sorts by the address, unknown last, and filters by any of the words", () => {
    const rows = [row("AAA", 1), row("BBB", 3), row("ABC", 2, { open_interest: null })];
    expect(shownRows(rows, "-oi", "").map((one) => one.coin)).toEqual(["BBB", "AAA", "ABC"]);
    expect(shownRows(rows, "coin", "a").map((one) => one.coin)).toEqual(["AAA", "ABC"]);
    expect(shownRows(rows, "nonsense", "bbb, abc").map((one) => one.coin)).toEqual(["BBB", "ABC"]);
  });

  it("turns round at the second press", () => {
    expect(pressed("-oi", "oi")).toBe("oi");
    expect(pressed("oi", "oi")).toBe("-oi");
    expect(pressed("-oi", "coin")).toBe("coin");
  });
});

describe("what was not seen", () => {
  const interval = (from: number, channel: string) => ({
    venue: "okx",
    channel,
    instrument: null,
    from_ms: from,
    to_ms: from + 10,
    state: "gap",
    cause: "disconnect",
    repaired: false,
    source: null,
    completeness: null,
    lost: false,
  });
  const told = {
    from_ms: 0,
    to_ms: 1_000_000,
    streams: [
      { venue: "okx", channel: "liquidations", share: 0.5 },
      { venue: "bybit", channel: "liquidations", share: 1 },
      { venue: "bybit", channel: "trades", share: 0 },
    ],
    intervals: [interval(500, "trades"), interval(520, "book"), interval(900_000, "trades")],
  } as unknown as Coverage;

  it("takes one loss of many streams for one, newest first, with what the stream told since", () => {
    const fresh = {
      venue: "okx",
      streams: ["trades:BTC-USDT-PERP.OKX", "trades:ETH-USDT-PERP.OKX"],
      from_ms: 1_500_000,
      to_ms: null,
      cause: "silent",
      noticed_ms: 1_500_001,
      data: null,
    } as const;
    const found = missedOf(told, [{ ...fresh, streams: [...fresh.streams] }], "BTC");
    expect(found.map((one) => [one.cause, one.channels.length])).toEqual([
      ["silent", 1],
      ["disconnect", 1],
      ["disconnect", 2],
    ]);
    expect(missedOf(told, [{ ...fresh, streams: ["trades:ETH-USDT-PERP.OKX"] }], "BTC")).toHaveLength(2);
  });

  it("tells how much of the time liquidations were watched", () => {
    expect(seenOf(told)).toEqual({ share: 0.75, least: 0.5, venue: "okx" });
    expect(seenOf(null)).toBeNull();
  });
});
