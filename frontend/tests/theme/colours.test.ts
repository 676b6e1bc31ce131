import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { rampOf } from "../../src/theme/ramps";

type Rgb = [number, number, number];
type Tokens = Record<string, string>;

/** The rules of tokens.css in order, each with the attributes it wants. */
function rules(): { selectors: string[]; tokens: Tokens }[] {
  const css = readFileSync("src/theme/tokens.css", "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  return [...css.matchAll(/([^{}]+)\{([^{}]*)\}/g)].map(([, selectors = "", body = ""]) => ({
    selectors: selectors.split(",").map((one) => one.trim()),
    tokens: Object.fromEntries(
      [...body.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})\b/g)].map(([, name, hex]) => [name, hex]),
    ),
  }));
}

/** What holds under a theme and a preset: later rules of the same or a higher specificity win. */
function tokensOf(theme: string, preset: string): Tokens {
  const holds = (selector: string): boolean =>
    [...selector.matchAll(/\[data-(\w+)="(\w+)"\]/g)].every(([, name, value]) =>
      name === "theme" ? value === theme : value === preset,
    );
  const weight = (selector: string): number => selector.split("[").length;
  const found: { weight: number; at: number; tokens: Tokens }[] = [];
  rules().forEach(({ selectors, tokens }, at) => {
    const held = selectors.filter(holds);
    if (held.length) found.push({ weight: Math.max(...held.map(weight)), at, tokens });
  });
  found.sort((a, b) => a.weight - b.weight || a.at - b.at);
  return Object.assign({}, ...found.map((one) => one.tokens)) as Tokens;
}

const bytes = (hex: string): Rgb => {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
};
const linear = (byte: number): number => {
  const part = byte / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
};

/** WCAG 2.2: relative luminance and contrast. */
function contrast(a: string, b: string): number {
  const light = (hex: string): number => {
    const [r, g, blue] = bytes(hex).map(linear) as Rgb;
    return 0.2126 * r + 0.7152 * g + 0.0722 * blue;
  };
  const [high, low] = [light(a), light(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** OKLab (Ottosson 2020) of linear red, green, blue. */
function oklab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** Machado, Oliveira, Fernandes 2009, severity 1. */
const SIGHTS: Record<string, number[][]> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protan: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deutan: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritan: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

function distance(a: string, b: string, sight: string): number {
  const seen = (hex: string): Rgb => {
    const raw = bytes(hex).map(linear) as Rgb;
    const matrix = SIGHTS[sight] ?? [];
    return oklab(
      matrix.map((row) =>
        Math.min(
          1,
          Math.max(
            0,
            row.reduce((sum, f, i) => sum + f * (raw[i] ?? 0), 0),
          ),
        ),
      ) as Rgb,
    );
  };
  return Math.hypot(...seen(a).map((part, i) => part - (seen(b)[i] ?? 0)));
}

const themes = ["dark", "light"];
const presets = ["cvd", "western", "korean"];
const texts = ["text", "dim", "accent", "ok", "warn", "bad", "model", "long", "short"];

describe.each(themes)("%s", (theme) => {
  describe.each(presets)("%s", (preset) => {
    const tokens = tokensOf(theme, preset);
    const of = (name: string): string => tokens[name] ?? "#000000";

    it.each(texts)("%s can be read on every background", (text) => {
      for (const back of ["bg", "card", "raised"]) {
        expect(contrast(of(text), of(back)), `${text} on ${back}`).toBeGreaterThanOrEqual(4.5);
      }
    });

    it.each(["ok", "warn", "bad", "model"])("%s can be read on its own background", (name) => {
      expect(contrast(of(name), of(`${name}-back`))).toBeGreaterThanOrEqual(4.5);
    });

    it("bars and edges of controls stand out from the card", () => {
      for (const name of ["long-bar", "short-bar", "strong-line", "candle-up", "candle-down"]) {
        expect(contrast(of(name), of("card")), name).toBeGreaterThanOrEqual(3);
      }
    });

    it("long and short are told apart", () => {
      for (const [a, b] of [
        ["long", "short"],
        ["long-bar", "short-bar"],
      ] as const) {
        for (const sight of preset === "cvd" ? Object.keys(SIGHTS) : ["normal"]) {
          expect(distance(of(a), of(b), sight), `${a}/${b} ${sight}`).toBeGreaterThanOrEqual(0.1);
        }
      }
    });
  });
});

describe("ramps", () => {
  const lightness = (lut: Uint8Array, at: number): number =>
    oklab([lut[3 * at] ?? 0, lut[3 * at + 1] ?? 0, lut[3 * at + 2] ?? 0].map(linear) as Rgb)[0];

  it.each(["inferno", "cividis", "grey"] as const)(
    "%s grows in lightness without a step back, and runs the other way in light",
    (name) => {
      const dark = rampOf(name, true);
      const light = rampOf(name, false);
      for (let at = 8; at < 256; at += 8) {
        expect(lightness(dark, at)).toBeGreaterThan(lightness(dark, at - 8));
        expect(lightness(light, at)).toBeLessThan(lightness(light, at - 8));
      }
      expect([...dark.slice(0, 3)]).toEqual([...light.slice(-3)]);
    },
  );
});
