import { describe, expect, it } from "vitest";
import { ageLevel } from "../../src/ui/age";
import { sortedBy } from "../../src/ui/table";

describe("a table", () => {
  it.each([
    [false, [1, 2, null]],
    [true, [2, 1, null]],
  ])("has unknown rows last, downwards: %s", (isDown, wanted) => {
    expect(sortedBy([null, 2, 1], (value) => value, isDown)).toEqual(wanted);
  });
});

describe("an age", () => {
  it.each([
    [1_999, ""],
    [2_000, "warn"],
    [5_000, "bad"],
    [null, ""],
  ])("of %s ms where one a second is expected is told as '%s'", (ms, level) => {
    expect(ageLevel(ms, 1_000)).toBe(level);
  });
});
