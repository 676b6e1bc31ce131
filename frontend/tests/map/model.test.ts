import { describe, expect, it } from "vitest";
import {
  type Bin,
  binAt,
  cumulated,
  labelsOf,
  type MapBody,
  type MapModel,
  span,
  whatIf,
} from "../../src/charts/map_model";
import { formed } from "../../src/pages/map/forming";

const bin = (low: number, usd: number, isLong: boolean): Bin => ({
  low,
  high: low + 10,
  usd,
  gross: 4 * usd,
  status: "ACTIVE",
  measured: 0,
  isLong,
});
const model: MapModel = { price: 105, longs: [bin(90, 100, true), bin(80, 50, true)], shorts: [bin(110, 30, false)] };

describe("what if", () => {
  it("sums what lies on the way, a bin that is cut by its share", () => {
    expect(whatIf(model, 85)).toMatchObject({ isLong: true, usd: 125, gross: 500, isCovered: true });
    expect(whatIf(model, 115)).toMatchObject({ isLong: false, usd: 15, isCovered: true });
    expect(whatIf(model, 84).distancePct).toBeCloseTo(-20);
  });
  it("says where the map ends", () => {
    expect(whatIf(model, 70)).toMatchObject({ usd: 150, isCovered: false });
  });
  it("agrees with the cumulated curve at every edge", () => {
    for (const [price, usd] of cumulated(model.longs)) expect(whatIf(model, price).usd).toBeCloseTo(usd);
  });
});

describe("the map", () => {
  it("finds the bar at a price", () => {
    expect(binAt(model, 95)?.usd).toBe(100);
    expect(binAt(model, 105)).toBeNull();
  });
  it("labels the largest, and none on another", () => {
    const clusters = [
      { peak: 95, usd: 10, is_long: true, distance_pct: -9 },
      { peak: 96, usd: 20, is_long: true, distance_pct: -8 },
      { peak: 300, usd: 99, is_long: false, distance_pct: 185 },
    ] as MapBody["clusters"];
    const placed = labelsOf(clusters, (price) => price, 0, 200, 5);
    expect(placed.map((label) => label.price)).toEqual([96]);
  });
  it("shows some prices around the candles, and not too many", () => {
    expect(span(99, 101, 100)).toEqual([97.5, 102.5]);
    expect(span(50, 150, 100)).toEqual([50, 150]);
  });
});

describe("the candle that forms", () => {
  const last = { openMs: 600_000, open: 10, high: 12, low: 9, close: 11 };
  it("grows with its minutes and is followed by the next", () => {
    expect(formed(last, { open_ms: 660_000, high: 13, low: 10, close: 12 }, 300_000)).toEqual({
      ...last,
      high: 13,
      close: 12,
    });
    expect(formed(last, { open_ms: 900_000, high: 12, low: 11.5, close: 12 }, 300_000)).toEqual({
      openMs: 900_000,
      open: 11,
      high: 12,
      low: 11,
      close: 12,
    });
    expect(formed(last, { open_ms: 300_000, high: 12, low: 11, close: 12 }, 300_000)).toBeNull();
  });
});
