import { describe, expect, it } from "vitest";
import { codeOf, columnOf, withNewest } from "../../src/charts/heat_news";
import { coloursOf, type Heat, heatOf, quantileUsd, usdOf } from "../../src/charts/heatmap";

const heat: Heat = {
  cells: Uint8Array.from([0, 1, 255, 128, 0, 255]),
  columns: 2,
  bins: 3,
  firstMs: 1_000_000,
  stepMs: 600_000,
  low: 100,
  width: 10,
  leastUsd: 10,
  mostUsd: 1_000,
};

describe("the heat in bytes", () => {
  it("is read with the scale of its headers, and refused where bytes are missing", () => {
    const headers = new Headers({
      "X-Heatmap-Columns": "2",
      "X-Heatmap-Bins": "3",
      "X-Heatmap-First-Ms": "1000000",
      "X-Heatmap-Step-Ms": "600000",
      "X-Heatmap-Low": "100.0",
      "X-Heatmap-Width": "10.0",
      "X-Heatmap-Least-Usd": "10",
      "X-Heatmap-Most-Usd": "1000",
    });
    expect(heatOf(heat.cells, headers)).toEqual(heat);
    expect(heatOf(heat.cells.subarray(1), headers)).toBeNull();
    expect(heatOf(new Uint8Array(), new Headers())).toBeNull();
  });

  it("tells dollars by the documented formula", () => {
    expect([0, 1, 128, 255].map((code) => usdOf(heat, code))).toEqual([0, 10, 100, expect.closeTo(1_000, 6)]);
    for (let code = 0; code < 256; code++) expect(codeOf(heat, usdOf(heat, code) * 1.0001)).toBe(code);
  });

  it("hides what is below, and ends its colours where it is told", () => {
    const ramp = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
    const made = new Uint8Array(coloursOf(heat, ramp, 100, 1_000).buffer);
    expect([...made.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
    expect([...made.subarray(127 * 4, 127 * 4 + 4)]).toEqual([0, 0, 0, 0]);
    expect([...made.subarray(255 * 4)]).toEqual([255, 255, 255, 255]);
    expect(made[128 * 4 + 3]).toBe(64);
  });

  it("finds the share of cells that hold something", () => {
    expect(quantileUsd(heat, 0.25)).toBeCloseTo(10);
    expect(quantileUsd(heat, 0.5)).toBeCloseTo(100);
    expect(quantileUsd(heat, 1)).toBeCloseTo(1_000);
  });
});

describe("the newest map", () => {
  const cells = [
    { low: 110, high: 120, usd: 60 },
    { low: 110, high: 120, usd: 40 },
    { low: 90, high: 100, usd: 500 },
  ];

  it("is a column of both sides together, and none where its bins are others", () => {
    expect([...(columnOf(heat, cells) ?? [])]).toEqual([0, 128, 0]);
    expect(columnOf(heat, [{ low: 100, high: 105, usd: 1 }])).toBeNull();
  });

  it("takes the place of the last column, or stands behind it", () => {
    expect([...withNewest(heat, cells, 1_700_000).cells]).toEqual([0, 1, 255, 0, 128, 0]);
    const later = withNewest(heat, cells, 2_900_000);
    expect(later.columns).toBe(4);
    expect([...later.cells]).toEqual([0, 1, 255, 128, 0, 255, 128, 0, 255, 0, 128, 0]);
    expect(withNewest(heat, cells, 0)).toBe(heat);
  });
});
