import { describe, expect, it } from "vitest";
import { csvOf, originLine } from "../../src/ui/export";

describe("CSV", () => {
  it("quotes what must be quoted and leaves the unknown empty", () => {
    const text = csvOf({
      name: "x",
      columns: ["a", "b,c"],
      rows: [
        [1.5, 'say "so"'],
        [null, "two\nlines"],
      ],
    });
    expect(text).toBe('a,"b,c"\r\n1.5,"say ""so"""\r\n,"two\nlines"\r\n');
  });

  it("keeps a text from being taken for a formula, and numbers as they are", () => {
    expect(csvOf({ name: "x", columns: ["a"], rows: [["=1+1"], [-3], ["-cmd"]] })).toBe(
      "a\r\n'=1+1\r\n-3\r\n'-cmd\r\n",
    );
  });

  it("says its notes first, a line each", () => {
    expect(csvOf({ name: "x", columns: ["a"], rows: [], notes: ["demo\ndata"] })).toBe("# demo data\r\na\r\n");
  });
});

describe("where it is from", () => {
  it("is said in one line, and nothing is said that is not known", () => {
    const origin = { title: "Liquidations", symbol: "BTC", tags: ["OBSERVED", "DEMO DATA"], asOf: null };
    expect(originLine(origin)).toBe("perpscope · Liquidations · BTC · OBSERVED · DEMO DATA");
    expect(originLine({ ...origin, asOf: "2026-11-20T08:58:27.000Z" })).toMatch(/ · as of 2026-11-20T08:58:27.000Z$/);
  });
});
