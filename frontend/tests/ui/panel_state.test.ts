import { describe, expect, it } from "vitest";
import { Problem, Unreachable } from "../../src/live/api";
import type { Meta } from "../../src/live/shapes";
import { type Evidence, panelState } from "../../src/ui/panel_state";

const meta: Meta = {
  kind: "observed",
  data: "observed",
  as_of_ms: 1,
  age_ms: 0,
  stale: false,
  warming_up: false,
  sources: [
    { venue: "binance", state: "live", age_ms: 1 },
    { venue: "okx", state: "live", age_ms: 1 },
  ],
  coverage: null,
  truncated: false,
  heart: "live",
  notes: [],
};
const venues = (okx: "live" | "silent" | "down", binance: "live" | "down" = "live") => [
  { venue: "binance", state: binance, ageMs: 5, troubled: [], isPartly: false },
  { venue: "okx", state: okx, ageMs: 74_000, troubled: [], isPartly: false },
];
const problem = new Problem("map-too-little-oi", 409, "too little", "wait", "r-1", null);

function of(
  change: Partial<Evidence> & { body?: boolean; told?: Partial<Meta>; failed?: Problem | Unreachable | null },
) {
  const { body = true, told = {}, failed = null, ...rest } = change;
  const state = panelState({
    answer: { hasBody: body, meta: body ? { ...meta, ...told } : null, problem: failed },
    connection: { phase: "open", attempt: 0, retryAt: null, since: 0 },
    heart: { heart: "live", venues: venues("live") },
    empty: false,
    ...rest,
  });
  return state;
}

describe("a panel is", () => {
  it("ready where everything is well", () => expect(of({})).toEqual({ name: "ready" }));

  it("loading before the first answer", () => expect(of({ body: false })).toEqual({ name: "loading" }));

  it("an error where the first answer is refused, with its code and request", () =>
    expect(of({ body: false, failed: problem })).toEqual({
      name: "error",
      code: "map-too-little-oi",
      detail: "too little",
      hint: "wait",
      requestId: "r-1",
    }));

  it("stale where a later answer is refused: what it had stays", () =>
    expect(of({ failed: problem })).toMatchObject({ name: "stale", cause: "problem", code: "map-too-little-oi" }));

  it.each(["lost", "connecting"] as const)("disconnected while the connection is %s again", (phase) =>
    expect(of({ connection: { phase, attempt: 2, retryAt: 9, since: 0 } })).toEqual({
      name: "disconnected",
      attempt: 2,
      retryAt: 9,
    }),
  );

  it("disconnected where nobody answers, also before the first answer", () =>
    expect(of({ body: false, failed: new Unreachable("no") }).name).toBe("disconnected"));

  it.each([
    ["gone", "gone"],
    ["stale", "heart"],
  ] as const)("stale where the heart is %s", (heart, cause) =>
    expect(of({ heart: { heart, venues: [] } })).toMatchObject({ name: "stale", cause }),
  );

  it("partial where one venue of two is silent, by name and age", () =>
    expect(of({ heart: { heart: "live", venues: venues("silent") } })).toEqual({
      name: "partial",
      missing: [{ venue: "okx", ageMs: 74_000, feeds: [] }],
      of: 2,
    }));

  it("stale where all of its venues are", () =>
    expect(of({ heart: { heart: "live", venues: venues("down", "down") } })).toMatchObject({
      name: "stale",
      cause: "venues",
      missing: [{ venue: "binance" }, { venue: "okx" }],
    }));

  it("ready where only a venue is silent that does not feed it", () =>
    expect(
      of({ told: { sources: meta.sources.slice(0, 1) }, heart: { heart: "live", venues: venues("down") } }),
    ).toEqual({ name: "ready" }));

  it("stale where a stored recording is over", () =>
    expect(
      of({ told: { stale: true, heart: "none", notes: ["the replay is over"] }, heart: { heart: "none", venues: [] } }),
    ).toMatchObject({ name: "stale", cause: "over", note: "the replay is over" }));

  it("warming up where the answer says so", () =>
    expect(of({ told: { warming_up: true, notes: ["14 min of 4 h"] } })).toEqual({
      name: "warming",
      notes: ["14 min of 4 h"],
    }));

  it("empty where there is an answer and nothing in it", () =>
    expect(of({ empty: true })).toEqual({ name: "empty", notes: [] }));
});
