import { describe, expect, it } from "vitest";
import {
  type Feed,
  fateOf,
  gapsOf,
  type Interval,
  leastSeen,
  quantile,
  rateOf,
  rateText,
  type Stream,
  sampled,
  tracksOf,
} from "../../src/pages/health/feeds";

const feed = (events: number): Feed => ({
  venue: "okx",
  channel: "trades",
  state: "live",
  age_ms: 5,
  events,
  gaps: 0,
  coverage_24h: 1,
  least_24h: 1,
  least_seen: null,
});
const stream = (instrument: string, share: number | null, gaps = 0): Stream => ({
  ...{ venue: "okx", channel: "trades", instrument, share, share_24h: share, gaps },
  ...{ longest_gap_ms: 0, gap_ms: 0, repaired_ms: 0, lost_ms: 0, completeness: null },
});
const stretch = (instrument: string, from_ms: number, state: string, repaired = false, lost = false): Interval => ({
  ...{ venue: "okx", channel: "trades", instrument, from_ms, to_ms: from_ms + 10, state, cause: null },
  ...{ repaired, source: null, completeness: null, lost },
});

describe("rates", () => {
  it("are events a second of real time between the oldest and the newest sample kept", () => {
    let samples = sampled([], [feed(100)], 0);
    expect(rateOf(samples, "okx/trades")).toBeNull();
    samples = sampled(samples, [feed(300)], 2_000);
    expect(rateOf(samples, "okx/trades")).toBe(100);
    samples = sampled(samples, [feed(300)], 30_000);
    expect(samples).toHaveLength(1);
  });
  it("begin anew with a new heart, whose counts are smaller", () => {
    const samples = sampled(sampled([], [feed(100)], 0), [feed(3)], 2_000);
    expect(samples).toHaveLength(1);
    expect(rateOf(samples, "okx/trades")).toBeNull();
  });
  it("are told by the second, or by the minute where they are rare", () => {
    const unit = { s: "/s", min: "/min" };
    expect([null, 245.4, 3.14, 0.5, 0.02, 0].map((rate) => rateText(rate, unit))).toEqual([
      "—",
      "245/s",
      "3.1/s",
      "30/min",
      "1.2/min",
      "0",
    ]);
  });
});

describe("what was seen", () => {
  it("is that of the least seen stream, and unknown where one is", () => {
    expect(leastSeen([stream("BTC", 1), stream("SOL", 0.4)]).get("okx/trades")).toBe(0.4);
    expect(leastSeen([stream("BTC", null), stream("SOL", 0.4)]).get("okx/trades")).toBeNull();
  });
  it("has a fate: seen, filled, lost, or open", () => {
    const found = [
      stretch("BTC", 0, "covered"),
      stretch("BTC", 1, "gap", true, true),
      stretch("BTC", 2, "gap", false, true),
      stretch("BTC", 3, "gap"),
    ];
    expect(found.map(fateOf)).toEqual(["covered", "repaired", "lost", "open"]);
    expect(gapsOf(found).map((one) => one.from_ms)).toEqual([3, 2, 1]);
  });
  it("stands by stream, those with gaps first", () => {
    const body = {
      streams: [stream("BTC", 1), stream("SOL", 0.9, 1)],
      intervals: [stretch("BTC", 0, "covered"), stretch("SOL", 0, "gap")],
    } as unknown as Parameters<typeof tracksOf>[0];
    expect(tracksOf(body, false).map((track) => [track.stream.instrument, track.intervals.length])).toEqual([
      ["SOL", 1],
      ["BTC", 1],
    ]);
    expect(tracksOf(body, true)).toHaveLength(1);
  });
});

it("a quantile is one of the values, and none of nothing", () => {
  expect(quantile([5, 1, 3], 0.5)).toBe(3);
  expect(quantile([5, 1, 3], 0.95)).toBe(5);
  expect(quantile([], 0.5)).toBeNull();
});
