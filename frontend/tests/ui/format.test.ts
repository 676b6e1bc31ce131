import { afterEach, describe, expect, it } from "vitest";
import { language, zone } from "../../src/app/settings";
import * as f from "../../src/ui/format";

afterEach(() => {
  language.value = "en";
  zone.value = "utc";
});
language.value = "en";

describe("prices", () => {
  it.each([
    [65126.83, null, "65,126.8"],
    [65126.83, 0.01, "65,126.83"],
    [3.24159, 0.001, "3.242"],
    [184.5, undefined, "184.50"],
    [0.00001234, null, "0.00001234"],
    [0, null, "0.000"],
    [null, 0.1, "—"],
    [Number.NaN, 0.1, "—"],
  ])("%s by a tick of %s is %s", (value, tick, text) => {
    expect(f.price(value, tick)).toBe(text);
  });
});

describe("dollars", () => {
  it.each([
    [84_100_000, "$84.1M"],
    [8_420_000_000, "$8.42B"],
    [999_700, "$1.00M"],
    [99_960, "$100K"],
    [30_000, "$30.0K"],
    [852, "$852"],
    [12.34, "$12.3"],
    [0, "$0"],
    [-1_500, "−$1.50K"],
    [null, "—"],
  ])("%s is %s", (value, text) => {
    expect(f.usd(value)).toBe(text);
  });

  it("say that they are an estimate", () => {
    expect([f.about(86_700_000), f.about(null)]).toEqual(["~$86.7M", "—"]);
  });

  it("stand in 만 and 억 for who reads Korean", () => {
    expect([f.usdKorean(84_100_000), f.usdKorean(1_234_000_000), f.usdKorean(2e12), f.usdKorean(500)]).toEqual([
      "$8,410만",
      "$12.3억",
      "$2.00조",
      "$500",
    ]);
    language.value = "ko";
    expect(f.usdWhole(84_100_000)).toBe("$84,100,000 ($8,410만)");
  });
});

describe("percentages", () => {
  it.each([
    [1.684, "+1.68 %"],
    [-0.5, "−0.50 %"],
    [0, "0.00 %"],
    [-0.001, "0.00 %"],
    [null, "—"],
  ])("%s is %s", (value, text) => {
    expect(f.percent(value)).toBe(text);
  });

  it("of funding have four places, and a yearly rate", () => {
    expect([f.funding(0.0001), f.apr(0.0001, 8), f.apr(0.0001, null)]).toEqual(["+0.0100 %", "10.95 % APR", "—"]);
  });

  it("are a hundred only where nothing is missing", () => {
    expect([f.share(1), f.share(0.99999), f.share(0.5)]).toEqual(["100.0 %", "99.9 %", "50.0 %"]);
  });
});

describe("ages", () => {
  it.each([
    [0, "0.0 s"],
    [400, "0.4 s"],
    [9_960, "10 s"],
    [74_000, "74 s"],
    [190_000, "3 m 10 s"],
    [180_000, "3 m"],
    [7_500_000, "2 h 5 m"],
    [259_200_000, "3 d"],
    [null, "—"],
  ])("%s ms is %s", (ms, text) => {
    expect(f.age(ms)).toBe(text);
  });

  it("are Korean for who reads it", () => {
    language.value = "ko";
    expect(f.age(190_000)).toBe("3분 10초");
  });
});

describe("times", () => {
  const at = Date.UTC(2026, 10, 20, 8, 58, 27);
  it("are UTC, and say so", () => {
    expect([f.clock(at), f.clockZoned(at), f.datetime(at), f.iso(at), f.clock(null)]).toEqual([
      "08:58:27",
      "08:58:27 UTC",
      "2026-11-20 08:58:27",
      "2026-11-20T08:58:27.000Z",
      "—",
    ]);
  });
});
