import { describe, expect, it } from "vitest";
import { dated, levelText, sourceText, unusual, yearly, zoneOf } from "../../src/pages/sentiment/figures";
import { formula } from "../../src/pages/sentiment/risk";

const plain = (text: string) => text.replaceAll("\u2009", " ").replaceAll("\u202f", " ");

describe("figures", () => {
  it("are told in their own units", () => {
    expect(plain(levelText("funding", 0.0001))).toBe("+0.0100 %");
    expect(levelText("ls_accounts", 1.144)).toBe("1.14");
    expect(plain(levelText("oi_trend", -0.0157))).toBe("−1.57 %");
    expect(plain(levelText("volatility", 0.0133))).toBe("1.33 %");
    expect(levelText("momentum", null)).toBe("—");
  });
  it("come from venues as logarithms where they are ratios", () => {
    expect(sourceText("ls_accounts", Math.log(1.2))).toBe("1.20");
    expect(sourceText("oi_trend", Math.log(234))).toBe("234");
    expect(plain(sourceText("funding", 0.0001))).toBe("+0.0100 %");
  });
  it("stand at the newest moments where they are fewer", () => {
    expect(
      dated(
        [
          [1, 50],
          [2, 51],
          [3, 52],
        ],
        [7, null],
      ),
    ).toEqual([
      [2, 7],
      [3, null],
    ]);
  });
  it("are usual, unusual or rare on both sides", () => {
    expect([0.9, -1.2, 3, -9, null].map(unusual)).toEqual(["usual", "unusual", "rare", "rare", "unknown"]);
  });
});

it("the words of the index end where the service ends them", () => {
  expect([19.9, 20, 39.9, 40, 60, 60.1, 80, 80.1].map(zoneOf)).toEqual([
    ...(["extreme_fear", "fear", "fear", "neutral", "neutral", "greed", "greed", "extreme_greed"] as const),
  ]);
});

it("funding per 8 h is paid three times a day, all year", () => {
  expect(yearly(0.0001)).toBeCloseTo(0.1095, 6);
});

describe("the risk formula", () => {
  const part = (name: string, level: number | null, weight: number) => ({
    name,
    level,
    weight,
    points: 100 * weight * (level ?? 0),
  });
  const risk = (...parts: ReturnType<typeof part>[]) => ({
    score: { value: parts.reduce((sum, one) => sum + one.points, 0), long: 0, short: 0, coverage: 1, parts },
    level: "LOW",
    history: {},
  });
  it("holds today's numbers", () => {
    const told = formula(
      risk(
        part("funding", 1, 0.3),
        part("volatility", 0.5, 0.25),
        part("open_interest", 0, 0.25),
        part("volume", 0.382, 0.2),
      ),
    );
    expect(told.letters).toBe("100 × (.30 F + .25 V + .25 O + .20 S)");
    expect(told.numbers).toBe("100 × (.30 · 1.00 + .25 · 0.50 + .25 · 0.00 + .20 · 0.38) = 50.1");
  });
  it("leaves out what is missing, and divides by what is left", () => {
    const told = formula(
      risk(
        part("funding", 1, 0.3),
        part("volatility", null, 0.25),
        part("open_interest", 0, 0.25),
        part("volume", 0, 0.2),
      ),
    );
    expect(told.letters).toBe("100 × (.30 F + .25 O + .20 S) ÷ .75");
  });
});
