import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { language } from "../../src/app/settings";
import { dictionary, filled } from "../../src/words/words";

afterEach(() => {
  language.value = "en";
});

describe("words", () => {
  it("follow the language and are filled in", () => {
    const says = dictionary({ age: "age {age}" }, { age: "{age} 전" });
    language.value = "en";
    expect(says("age", { age: "3 s" })).toBe("age 3 s");
    language.value = "ko";
    expect(says("age", { age: "3초" })).toBe("3초 전");
  });

  it("leave a name without a value as it is", () => {
    expect(filled("{a} of {b}", { a: 1 })).toBe("1 of {b}");
  });
});

const files = (readdirSync("src", { recursive: true }) as string[]).filter((file) =>
  /words\.ts$|words\/(vocabulary|feeds)\.ts$/.test(file),
);

describe.each(files.filter((file) => !file.endsWith("words/words.ts")))("%s", (file) => {
  /** Texts of the two halves, in order: the Korean stands second. */
  const halves = readFileSync(`src/${file}`, "utf8").split(/\n\s*\},\n\s*\{\n/);
  const names = (text: string): string[][] =>
    [...text.matchAll(/^\s*(\w+):\s*\n?\s*(["'`])((?:\\.|(?!\2).)*)\2/gm)].map(([, key = "", , words = ""]) => [
      key,
      ...[...words.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name).sort(),
    ]);

  it("fills in the same names in both languages", () => {
    const korean = new Map(names(halves[1] ?? "").map(([key = "", ...rest]) => [key, rest]));
    for (const [key = "", ...wanted] of names(halves[0] ?? "")) {
      const found = korean.get(key);
      if (found) expect(new Set(found), key).toEqual(new Set(wanted));
    }
  });
});
