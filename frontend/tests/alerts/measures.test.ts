import { expect, it } from "vitest";
import { measureText } from "../../src/pages/alerts/measure_text";
import { stageOf } from "../../src/pages/alerts/rules";
import { ruleTitle } from "../../src/pages/alerts/words";

const plain = (text: string) => text.replaceAll("\u2009", " ").replaceAll("\u202f", " ");

it("a measure is told in the unit its name says", () => {
  expect(measureText("liq_usd_5m", 2_400_000)).toBe("$2.40M");
  expect(plain(measureText("price_change_pct_5m", -1.234))).toBe("−1.23 %");
  expect(plain(measureText("funding_8h_pct", 0.0467))).toBe("+0.0467 %");
  expect(plain(measureText("feed_age_s", 74))).toBe("74 s");
  expect(measureText("cascade", 1)).toBe("1");
});

it("a stage of a newer service counts as not watched", () => {
  expect(stageOf("raised")).toBe("raised");
  expect(stageOf("something-new")).toBe("unwatched");
});

it("a rule of one's own keeps its title, or its name", () => {
  expect(ruleTitle("big", "Longs out", false)).toBe("Longs out");
  expect(ruleTitle("big", "", false)).toBe("big");
  expect(ruleTitle("cascade", "Cascade")).toBe("Cascade");
});
