import { describe, expect, it } from "vitest";
import {
  type Candle,
  latencies,
  litNow,
  momentumOf,
  newestOf,
  outcomeOf,
  type SignalRow,
  type Strategy,
  seenMs,
  thresholdOf,
  toldNow,
  toldThen,
  volumeMultiple,
} from "../../src/pages/signals/figures";

const row = (own: Partial<SignalRow>): SignalRow => ({
  ...{ at_ms: 0, received_ms: 100, strategy: "burst", instrument: "BTC-USDT-PERP.BINANCE", venue: "binance" },
  ...{ coin: "BTC", side: "LONG", p_up: null, p_down: null, edge: null, edge_bps: null, confidence: null, why: "" },
  ...{ failed: [], is_near_miss: false, refusal: "", values: {} },
  ...own,
});
const burst = {
  name: "burst",
  parameters: [
    { name: "volume", value: 3 },
    { name: "near", value: 0.5 },
    { name: "far", value: 2 },
  ],
} as Strategy;
const candle = (n: number, close: number, volume: number): Candle =>
  ({ open_ms: n * 60_000, open: close, high: close, low: close, close, volume }) as Candle;

describe("a lamp", () => {
  it("goes by its figure now, else by a decision just made, else it is not known", () => {
    expect(litNow(burst, "volume-burst", 3, undefined, 0)).toBe("met");
    expect(litNow(burst, "volume-burst", 2.9, row({}), 0)).toBe("failed");
    expect(litNow(burst, "book-imbalance", null, row({ failed: ["book-imbalance"] }), 1_000)).toBe("failed");
    expect(litNow(burst, "book-imbalance", null, row({}), 1_000)).toBe("met");
    expect(litNow(burst, "book-imbalance", null, row({}), 3_600_000)).toBe("unknown");
    expect(litNow(burst, "book-imbalance", null, undefined, 0)).toBe("unknown");
  });
  it("shows its threshold, and an old figure never", () => {
    expect(thresholdOf(burst, "volume-burst")).toBe("≥ 3");
    expect(thresholdOf(burst, "cluster-distance")).toBe("0.5 – 2");
    expect(thresholdOf(burst, "pull")).toBeNull();
    expect(toldNow("pull", row({ values: { pull: 0.2 } }), 1_000)).toBe(0.2);
    expect(toldNow("pull", row({ values: { pull: 0.2 } }), 3_600_000)).toBeNull();
    expect(toldNow("pull", row({ values: { pull: 0.2 } }), 3_600_000, 3_600_000)).toBe(0.2);
    expect(litNow(burst, "book-imbalance", null, row({}), 600_000, 690_000)).toBe("met");
    expect(toldThen("pull", row({ values: { pull: 0.2 } }))).toBe(0.2);
    expect(toldThen("pull", undefined)).toBeNull();
  });
});

describe("the moment of a lamp", () => {
  it("is the close of the newest candle where candles tell it, else the decision's, else none", () => {
    const rows = [candle(3, 100, 10), candle(4, 100, 10)];
    expect(seenMs(1, row({ at_ms: 9_000 }), rows)).toBe(300_000);
    expect(seenMs(null, row({ at_ms: 9_000 }), rows)).toBe(9_000);
    expect(seenMs(null, undefined, rows)).toBeNull();
    expect(seenMs(1, undefined, [])).toBeNull();
  });
});

describe("figures of candles", () => {
  const flat = Array.from({ length: 21 }, (_, n) => candle(n, 100, 10));
  it("hold the newest against those before it, in whatever order they come", () => {
    const rows = [candle(21, 100, 40), ...[...flat].reverse()];
    expect(volumeMultiple(rows, 20)).toBeCloseTo(4, 9);
    expect(volumeMultiple(rows, 40)).toBeNull();
  });
  it("count a return in deviations of those before it", () => {
    const closes = [100, 101, 100, 101, 100, 101, 103.02];
    const returns = closes.slice(1).map((close, n) => close / (closes[n] as number) - 1);
    const before = returns.slice(0, -1);
    const mean = before.reduce((sum, value) => sum + value, 0) / before.length;
    const deviation = Math.sqrt(before.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (before.length - 1));
    const rows = closes.map((close, n) => candle(n, close, 1));
    expect(momentumOf(rows, 5)).toBeCloseTo((returns.at(-1) as number) / deviation, 9);
    expect(momentumOf(flat, 5)).toBeNull(); // no deviation: not known, never infinite
    expect(momentumOf([], 5)).toBeNull();
  });
});

describe("decisions", () => {
  it.each([
    [{ edge: "none", side: "FLAT" }, "no_edge"],
    [{ failed: ["momentum"] }, "near"],
    [{ refusal: "spread-too-wide" }, "refused"],
    [{ side: "FLAT" }, "flat"],
    [{}, "wished"],
  ])("%o came to %s", (own, outcome) => {
    expect(outcomeOf(row(own))).toBe(outcome);
  });
  it("are taken newest first by strategy, with how long they took", () => {
    const rows = [
      row({ at_ms: 1, received_ms: 4_001 }),
      row({ at_ms: 5, received_ms: 105 }),
      row({ strategy: "magnet" }),
    ];
    expect(newestOf(rows).get("burst")?.at_ms).toBe(5);
    expect(latencies(rows)).toEqual([
      { strategy: "burst", count: 2, p50: 4_000, p95: 4_000, p99: 4_000, most: 4_000, within: 0.5, late: 1 },
      { strategy: "magnet", count: 1, p50: 100, p95: 100, p99: 100, most: 100, within: 1, late: 0 },
    ]);
  });
});
