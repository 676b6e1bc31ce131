import { describe, expect, it } from "vitest";
import {
  awayOf,
  grown,
  type Held,
  KEPT,
  lifeOf,
  netOf,
  placesOf,
  protectionOf,
  type RunNow,
  refusalsOf,
  type Status,
  shownOf,
  stagesOf,
} from "../../src/pages/trade/figures";

const flat: Held = {
  ...{ side: null, size: 0, entry_price: null, mark: 100, margin: 0, liquidation_price: null, unrealised: 0 },
  stop: null,
};
const long: Held = { ...flat, side: "LONG", size: 1, entry_price: 98, liquidation_price: 90, stop: 95 };
const money = { deposit: 1_000, equity: 990, realised: -8, fees: 2, funding: 0, fees_elsewhere: 0, fees_unknown: 0 };
const run = (id: string, own: Partial<Status> = {}, isRunning = true): RunNow => ({
  ...{ label: "PAPER", is_running: isRunning, age_ms: 0 },
  status: { run: id, held: flat, money, at_ms: 0, is_over: !isRunning, refused: {}, latency_ms: {}, ...own } as Status,
});

describe("cards", () => {
  it("are of runs that run or hold something, of what was chosen, else of the newest", () => {
    const runs = [run("a"), run("b", {}, false), run("c", { held: long }, false)];
    expect(shownOf(runs, "").map((one) => one.status.run)).toEqual(["a", "c"]);
    expect(shownOf(runs, "b").map((one) => one.status.run)).toEqual(["a", "b", "c"]);
    expect(shownOf([run("b", {}, false), run("d", {}, false)], "").map((one) => one.status.run)).toEqual(["b"]);
    expect(shownOf([], "")).toEqual([]);
  });
  it("say whether the trader runs, ended, or fell silent", () => {
    expect(lifeOf(run("a"))).toBe("runs");
    expect(lifeOf(run("a", {}, false))).toBe("over");
    expect(lifeOf(run("a", { is_over: false }, false))).toBe("silent");
  });
});

describe("a position", () => {
  it("without a confirmed stop is naked, and one that is none is not", () => {
    expect(protectionOf(run("a", { held: long }).status)).toBe("stopped");
    expect(protectionOf(run("a", { held: { ...long, stop: null } }).status)).toBe("naked");
    expect(protectionOf(run("a").status)).toBe("flat");
  });
  it("stands between its prices", () => {
    expect(placesOf(long)).toEqual([
      { name: "liquidation", at: 0 },
      { name: "stop", at: 0.5 },
      { name: "entry", at: 0.8 },
      { name: "mark", at: 1 },
    ]);
    expect(placesOf(flat)).toEqual([]);
    expect(placesOf({ ...long, mark: null })).toEqual([]);
    expect(placesOf({ ...long, entry_price: 100, stop: null, liquidation_price: null })).toEqual([]);
    expect(awayOf(90, 100)).toBeCloseTo(-0.1, 9);
    expect(awayOf(null, 100)).toBeNull();
  });
});

describe("figures", () => {
  it("come to what was left of the deposit", () => {
    expect(netOf(run("a").status)).toEqual({ net: -10, share: -0.01 });
    expect(netOf(run("a", { money: { ...money, deposit: 0 } }).status).share).toBeNull();
  });
  it("of stages stand along the way, those not known here last", () => {
    const none = { p50: null, p95: null, p99: null, count: 0 };
    const told = { whole: none, warp: none, receive: { p50: 1, p95: 2, p99: 3, count: 9 } };
    expect(stagesOf(told).map((one) => one.name)).toEqual(["receive", "whole", "warp"]);
    expect(stagesOf(told)[0]).toEqual({ name: "receive", p50: 1, p95: 2, p99: 3, count: 9 });
  });
  it("of refusals begin with the commonest", () => {
    expect(refusalsOf({ b: 1, a: 1, c: 5 })).toEqual([
      ["c", 5],
      ["a", 1],
      ["b", 1],
    ]);
  });
  it("of equity grow by one point a moment, within a bound", () => {
    const at = (at_ms: number): Status => run("a", { at_ms }).status;
    const once = grown([], at(1));
    expect(once).toEqual([[1, 990]]);
    expect(grown(once, at(1))).toBe(once);
    let points = once;
    for (let n = 2; n < 2 * KEPT; n++) points = grown(points, at(n));
    expect(points).toHaveLength(KEPT);
    expect(points.at(-1)).toEqual([2 * KEPT - 1, 990]);
  });
});
