import { describe, expect, it } from "vitest";
import type { LiquidationRow } from "../../src/live/shapes";
import { channelOf, joined, summed, tierOf, tiersOf } from "../../src/pages/tape/rows";

const row = (time: number, usd: number, side: "LONG" | "SHORT" = "LONG") =>
  ({ instrument: "BTC", time_ms: time, received_ms: time, side, usd, price: 1, size: usd }) as LiquidationRow;

describe("the tape", () => {
  it("has tiers by coin", () => {
    expect([29_999, 30_000, 100_000, null].map((usd) => tierOf(usd, tiersOf("BTC-USDT-PERP.OKX")))).toEqual([
      "",
      "big",
      "huge",
      "",
    ]);
    expect(tierOf(50_000, tiersOf("XRP"))).toBe("huge");
  });
  it("asks the stream for what is large enough", () => {
    expect(channelOf("BTC", 0)).toBe("liquidations:BTC");
    expect(channelOf(null, 5_000)).toBe("liquidations@5000");
  });
  it("sums up what is new", () => {
    expect(summed([row(3, 10), row(2, 20, "SHORT"), row(1, 40)], 2)).toEqual({ count: 2, longsUsd: 10, shortsUsd: 20 });
  });
  it("puts what was stored beneath what came, each once", () => {
    const live = [row(3, 1), row(2, 1)];
    expect(joined(live, [row(2, 1), row(1, 1)], 9).map((one) => one.time_ms)).toEqual([3, 2, 1]);
    expect(joined(live, [row(1, 1)], 2)).toBe(live);
  });
});
