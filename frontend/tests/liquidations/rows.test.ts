import { describe, expect, it } from "vitest";
import { barsOf } from "../../src/pages/liquidations/hourly";
import { COLUMNS, instant, type Print, queryOf, sheetOf } from "../../src/pages/liquidations/rows";
import { csvOf } from "../../src/ui/export";

const FILTER = { symbol: "BTC", venue: "", side: "", min: "", from: "", to: "" };

describe("the question of a filter", () => {
  it("says only what is set", () => {
    expect(queryOf(FILTER, 50, null)).toEqual({ limit: 50, symbol: "BTC" });
    const all = { symbol: null, venue: "okx", side: "long", min: "1000", from: "2026-11-20T09:00", to: "x" };
    expect(queryOf(all, 50, "c")).toEqual({
      limit: 50,
      venue: ["okx"],
      side: "long",
      min_usd: 1000,
      from: "1795165200000",
      cursor: "c",
    });
  });

  it("takes a typed time for UTC", () => {
    expect(instant("2026-11-20T09:00")).toBe(String(Date.UTC(2026, 10, 20, 9)));
    expect(instant("yesterday")).toBeNull();
  });
});

it("a file has the very values of the API, unknown empty", () => {
  const row = {
    time_ms: 1,
    received_ms: 2,
    venue: "okx",
    symbol: "BTC-USDT-SWAP",
    instrument: "BTC-USDT-PERP.OKX",
    side: "LONG",
    size: 0.1,
    price: 64_000.5,
    price_is: "bankruptcy",
    usd: 6400.05,
    lpi: null,
    completeness: "sampled",
    sampling: "latest_1s",
  } as Print;
  expect(csvOf(sheetOf([row], "x"))).toBe(
    `${COLUMNS.join(",")}\r\n1,2,okx,BTC-USDT-SWAP,BTC-USDT-PERP.OKX,LONG,0.1,64000.5,bankruptcy,6400.05,,sampled,latest_1s\r\n`,
  );
});

it("columns by the hour tell longs below, and of what is estimated only what was not published", () => {
  const amount = (observed: number, estimated: number | null) => ({
    observed_usd: observed,
    estimated_usd: estimated,
    low_usd: observed,
    high_usd: estimated === null ? null : estimated * 2,
    covered: 0.5,
  });
  const sides = { long: amount(10, 15), short: amount(4, null), both: amount(14, null) };
  const [bar] = barsOf([{ from_ms: 0, to_ms: 3_600_000, sides }] as unknown as Parameters<typeof barsOf>[0]);
  expect(bar?.values).toEqual([4, null, 10, 5]);
  expect(bar?.whiskers).toEqual({ up: null, down: [10, 30] });
  expect(bar?.seen).toBe(0.5);
});
