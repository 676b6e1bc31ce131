import { beforeEach, describe, expect, it } from "vitest";
import { type Entry, found, rank } from "../../src/app/found";
import { nameOf } from "../../src/app/keyboard";
import { choose, coin, go, href, page, pageOf, parameter } from "../../src/app/route";
import { healthOf } from "../../src/app/status";
import { storedMembers } from "../../src/live/market";
import { median, priceAt, quoteOf } from "../../src/live/quote";
import type { MarketRow } from "../../src/live/shapes";

beforeEach(() => {
  go("overview", { coin: null });
  history.replaceState(null, "", "/");
});

describe("the address", () => {
  it.each([
    ["/", "overview"],
    ["/map", "map"],
    ["/health/", "health"],
    ["/nosuch", "overview"],
  ])("%s is the page %s", (path, name) => {
    expect(pageOf(path)).toBe(name);
  });

  it("has what a page is set to, and leaves out what it is anyway", () => {
    const frame = parameter("tf", "5m");
    go("map");
    frame.value = "1h";
    expect(location.search).toBe("?tf=1h");
    frame.value = "5m";
    expect(location.search).toBe("");
  });

  it("keeps the coin from page to page and what a page was set to until one comes back", () => {
    const frame = parameter("tf", "5m");
    go("map");
    frame.value = "1h";
    choose("ETH");
    go("sentiment");
    expect([location.pathname, location.search, frame.value, coin.value]).toEqual([
      "/sentiment",
      "?coin=ETH",
      "5m",
      "ETH",
    ]);
    go("map");
    expect([location.search, frame.value]).toEqual(["?tf=1h&coin=ETH", "1h"]);
  });

  it("goes where a link says", () => {
    expect(href("map", { coin: "SOL", tf: "1h" })).toBe("/map?coin=SOL&tf=1h");
    go("map", { coin: "BTC-USDT-PERP.BINANCE" });
    expect([page.value, coin.value]).toEqual(["map", "BTC-USDT-PERP.BINANCE"]);
  });
});

describe("the palette", () => {
  const entry = (label: string, terms = ""): Entry => ({
    id: label,
    group: "",
    label,
    about: "",
    terms,
    run: () => undefined,
  });

  it("finds the whole name first, then beginnings, words, parts", () => {
    expect(["BTC", "BTCDOM", "X-BTC", "WBTC", "ETH"].map((text) => rank(text, "btc"))).toEqual([0, 1, 2, 3, null]);
    const all = ["WBTC", "X-BTC", "BTCDOM", "BTC", "ETH"].map((label) => entry(label));
    expect(found(all, "btc", 3).map((one) => one.label)).toEqual(["BTC", "BTCDOM", "X-BTC"]);
  });

  it("wants every word typed, in the name or beside it", () => {
    const all = [entry("BTC-USDT-PERP.OKX", "OKX BTC-USDT-SWAP"), entry("ETH-USDT-PERP.OKX", "OKX")];
    expect(found(all, "okx btc", 9).length).toBe(1);
    expect(found(all, "", 9).length).toBe(2);
  });
});

describe("keys", () => {
  it.each([
    [{ key: "T" }, "t"],
    [{ key: "ArrowLeft" }, "ArrowLeft"],
    [{ key: "k", ctrlKey: true }, "Ctrl+k"],
    [{ key: "k", metaKey: true }, "Ctrl+k"],
    [{ key: "1", altKey: true }, null],
  ])("%o is %s", (pressed, name) => {
    expect(nameOf({ ctrlKey: false, metaKey: false, altKey: false, ...pressed })).toBe(name);
  });
});

describe("the badge", () => {
  const open = { phase: "open", attempt: 0, retryAt: null, since: 0 } as const;
  const okx = { venue: "okx", state: "silent", ageMs: 1, troubled: [], isPartly: false } as const;
  it("names the worst that is true", () => {
    expect(healthOf({ ...open, phase: "lost", attempt: 1 }, { heart: "live", venues: [] }).name).toBe("lost");
    expect(healthOf({ ...open, phase: "connecting", attempt: 3 }, { heart: "live", venues: [] }).name).toBe("lost");
    expect(healthOf({ ...open, phase: "connecting" }, { heart: null, venues: [] }).name).toBe("connecting");
    expect(healthOf(open, { heart: "gone", venues: [okx] })).toEqual({ name: "gone", who: [] });
    expect(healthOf(open, { heart: "stale", venues: [] })).toEqual({ name: "stale", who: ["heart"] });
    expect(healthOf(open, { heart: "live", venues: [okx] })).toEqual({ name: "stale", who: ["okx"] });
    expect(healthOf(open, { heart: "live", venues: [] }).name).toBe("live");
  });
});

describe("a quote", () => {
  const row = (mark: number | null, oi: number | null, usd: number | null): MarketRow =>
    ({ mark, last: null, open_interest: oi, open_interest_usd: usd, time_ms: 5 }) as MarketRow;

  it("is the middle of the marks with the open interest that is known", () => {
    expect(quoteOf({ a: row(100, 2, null), b: row(102, null, null), c: row(110, 1, 70) })).toEqual({
      price: 102,
      timeMs: 5,
      openInterestUsd: 270,
      contracts: 3,
    });
    expect(quoteOf(null).price).toBeNull();
    expect(median([1, 3])).toBe(2);
  });

  it("is made of what is stored where nobody tells the contracts", () => {
    const contract = (id: string, mark: number) => ({ id, venue: "okx", mark, price_age_ms: 40 });
    const coins = [
      { coin: "BTC", contracts: [contract("BTC-USDT-PERP.OKX", 100)] },
      { coin: "ETH", contracts: [contract("ETH-USDT-PERP.OKX", 5)] },
    ];
    const symbols = { coins, meta: { as_of_ms: 1_000, data: "observed" } } as unknown as Parameters<
      typeof storedMembers
    >[0];
    expect(quoteOf(storedMembers(symbols, "ETH"))).toMatchObject({ price: 5, timeMs: 960, contracts: 1 });
    expect(Object.keys(storedMembers(symbols, "BTC-USDT-PERP.OKX") ?? {})).toEqual(["BTC-USDT-PERP.OKX"]);
    expect(storedMembers(null, "BTC")).toBeNull();
  });

  it("of a day ago is not known where the candles do not reach there", () => {
    const candles = [90, 75, 60].map((minute) => ({ open_ms: minute * 60_000, open: minute }));
    expect(priceAt(candles, 75 * 60_000)).toBe(75);
    expect(priceAt(candles, 30 * 60_000)).toBeNull();
  });
});
