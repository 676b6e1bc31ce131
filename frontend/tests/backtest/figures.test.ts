import { describe, expect, it } from "vitest";
import {
  boundsText,
  compounded,
  differences,
  drawdownOf,
  flawOf,
  idsOf,
  type Parameter,
  type Run,
  returnOf,
  type Summary,
  stepsOf,
  yearsOf,
} from "../../src/pages/backtest/figures";

const parameter: Parameter = {
  ...{ name: "volume", about: "", value: 3, default: 3, least: 1, most: 10 },
  ...{ is_least_in: true, is_most_in: false, is_whole: false },
};
const summary = (own: Partial<Summary>): Summary =>
  ({
    ...{
      id: "a",
      strategy: "burst",
      instrument: "BTC",
      data: "demo",
      sources: ["store"],
      data_hash: "ab",
      deposit: 100,
    },
    ...{
      from_ms: 0,
      to_ms: 60_000,
      parameters: { volume: 3 },
      gross: 4,
      slippage: 1,
      fees: 3,
      funding: -0.5,
      net: 1.5,
    },
    ...own,
  }) as Summary;

describe("drawdown", () => {
  it("is measured from the highest equity so far, the deposit among it", () => {
    const below = drawdownOf(
      [
        [0, 90],
        [1, 110],
        [2, null],
        [3, 99],
        [4, 120],
      ],
      100,
    );
    expect(below.map(([, value]) => (value === null ? null : Number(value.toFixed(6))))).toEqual([
      -0.1,
      0,
      null,
      -0.1,
      0,
    ]);
  });
});

describe("returns", () => {
  const run = {
    summary: summary({ from_ms: 1_000 }),
    curve: { at_ms: [1_000, 2_000], equity: [100, 105], position: [0, 1] },
  };
  it("are of the deposit, by date or since a start", () => {
    expect(returnOf(run as Run)).toEqual(
      [
        [1_000, 0],
        [2_000, 0.05],
      ].map(([at, value]) => [at, expect.closeTo(value as number, 9)]),
    );
    expect(returnOf(run as Run, 50_000).map(([at]) => at)).toEqual([50_000, 51_000]);
  });
});

describe("months", () => {
  it("stand in their years, what was not is null", () => {
    const years = yearsOf([
      ["2025-12", 0.1],
      ["2026-02", -0.05],
    ]);
    expect(years.map((one) => one.year)).toEqual(["2025", "2026"]);
    expect(years[0]?.months[11]).toBe(0.1);
    expect(years[1]?.months.slice(0, 3)).toEqual([null, -0.05, null]);
    expect(compounded([0.1, null, -0.05])).toBeCloseTo(0.045, 9);
  });
});

describe("costs", () => {
  it("lead from the trades at mid prices to what was left, without a jump", () => {
    const steps = stepsOf(summary({}));
    expect(steps.map((step) => step.name)).toEqual(["before", "slippage", "fees", "funding", "net"]);
    expect(steps.map((step) => step.value)).toEqual([5, -1, -3, 0.5, 1.5]);
    expect(steps[3]?.to).toBeCloseTo(1.5, 9);
    for (const [n, step] of steps.slice(1, 4).entries()) expect(step.from).toBe(steps[n]?.to);
  });
});

describe("differences", () => {
  it("name every setting once, and say which differ", () => {
    const found = differences([summary({}), summary({ parameters: { volume: 5, stop: 0.1 } })]);
    const by = new Map(found.map((one) => [one.name, one]));
    expect(by.get("volume")).toMatchObject({ values: ["3", "5"], isDifferent: true });
    expect(by.get("stop")).toMatchObject({ values: ["—", "0.1"], isDifferent: true });
    expect(by.get("strategy")?.isDifferent).toBe(false);
  });
});

describe("a parameter's value", () => {
  it.each([
    ["2", null],
    ["1", null],
    ["10", "most"],
    ["0.5", "least"],
    ["", "number"],
    ["x", "number"],
  ])("%s is judged as its bounds say", (text, flaw) => {
    expect(flawOf(parameter, text)).toBe(flaw);
  });
  it("may have to be whole, and says its bounds", () => {
    expect(flawOf({ ...parameter, is_whole: true }, "2.5")).toBe("whole");
    expect(boundsText(parameter)).toBe("≥ 1, < 10");
    expect(boundsText({ ...parameter, least: null, most: null })).toBe("");
  });
});

describe("ids in an address", () => {
  it("are taken once each, and nothing else is", () => {
    expect(idsOf("ab12,ab12,<script>,cd34ef")).toEqual(["ab12", "cd34ef"]);
    expect(idsOf("")).toEqual([]);
  });
});
