import { describe, expect, it } from "vitest";
import { chained, extent, holes, joined, linear, nearest, runs, timeTicks, usualStep } from "../../src/charts/scale";
import { ticks } from "../../src/charts/ticks";

const MIN = 60_000;

describe("ticks", () => {
  it("are round and within the ends", () => {
    expect(ticks(0, 100, 4)).toEqual([0, 50, 100]);
    expect(ticks(-0.03, 0.031, 7)).toEqual([-0.03, -0.02, -0.01, 0, 0.01, 0.02, 0.03]);
    expect(ticks(44.1, 78.6, 5)).toEqual([50, 60, 70]);
  });
  it("are two at least, however wide their step would be", () => {
    expect(ticks(-159, 191, 3.4)).toEqual([-100, 0, 100]);
  });
  it("do not run away on a flat or an impossible range", () => {
    expect(ticks(5, 5, 4)).toEqual([5]);
    expect(ticks(2, 1, 4)).toEqual([]);
    expect(ticks(Number.NaN, 1, 4)).toEqual([]);
  });
});

describe("timeTicks", () => {
  it("stand on whole hours, and name the day where it begins", () => {
    const from = Date.UTC(2026, 10, 21, 20, 7);
    const found = timeTicks(from, from + 8 * 60 * MIN, 5);
    expect(found.map(({ at }) => new Date(at).toISOString().slice(11, 16))).toEqual([
      "22:00",
      "00:00",
      "02:00",
      "04:00",
    ]);
    expect(found.filter(({ isDay }) => isDay)).toHaveLength(1);
  });
  it("follow a clock ahead of UTC", () => {
    const from = Date.UTC(2026, 10, 21, 14, 0);
    const seoul = timeTicks(from, from + 2 * 60 * MIN, 2, 9 * 60 * MIN).find(({ isDay }) => isDay);
    expect(seoul?.at).toBe(Date.UTC(2026, 10, 21, 15, 0));
  });
});

describe("gaps", () => {
  const points = [
    [0, 1],
    [1, 2],
    [2, null],
    [3, 4],
    [9, 5],
  ] as const;
  it("end a run at a null and at a step too wide", () => {
    expect(runs(points, 2)).toEqual([
      [
        [0, 1],
        [1, 2],
      ],
      [[3, 4]],
      [[9, 5]],
    ]);
  });
  it("are told as holes, with the time before and after", () => {
    expect(holes(points, 2, -5, 9)).toEqual([
      [-5, 0],
      [3, 9],
    ]);
    expect(holes([], 2, 0, 10)).toEqual([[0, 10]]);
  });
  it("that touch are one", () => {
    expect(
      joined([
        [5, 7],
        [0, 2],
        [2, 3],
        [6, 6.5],
      ]),
    ).toEqual([
      [0, 3],
      [5, 7],
    ]);
  });
});

describe("values", () => {
  it("have an extent that leaves out what is unknown", () => {
    expect(extent([null, 2, Number.NaN, 4], 0)).toEqual([2, 4]);
    expect(extent([null])).toBeNull();
    expect(extent([3, 3], 0.5)).toEqual([1.5, 4.5]);
  });
  it("are found nearest, but not across a hole", () => {
    const points = [
      [0, 1],
      [10, 2],
      [20, null],
    ] as const;
    expect(nearest(points, 7, 5)).toEqual([10, 2]);
    expect(nearest(points, 19, 5)).toBeNull();
  });
  it("are mapped straight, to the middle where the range is a point", () => {
    expect(linear(0, 10, 100, 0)(2.5)).toBe(75);
    expect(linear(1, 1, 0, 10)(1)).toBe(5);
  });
  it("have a usual step that one hole does not change", () => {
    expect(
      usualStep([
        [0, 1],
        [5, 1],
        [10, 1],
        [99, 1],
      ]),
    ).toBe(5);
    expect(usualStep([[0, 1]])).toBe(0);
  });
});

describe("chained", () => {
  it("lays the points of the figures end to end, up to the index", () => {
    const points = [-1.5, -2.3, 10, 4.2, 4.9, -3, 3.5, 1.1, -2.1];
    const pieces = chained(points, 50);
    expect(pieces[0]).toEqual({ index: 0, from: 50, to: 48.5 });
    expect(pieces.at(-1)?.to).toBeCloseTo(50 + points.reduce((sum, one) => sum + one, 0), 9);
    for (const [n, piece] of pieces.slice(1).entries()) expect(piece.from).toBe(pieces[n]?.to);
  });
});
