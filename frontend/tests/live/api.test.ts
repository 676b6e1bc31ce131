import { afterEach, describe, expect, it, vi } from "vitest";
import { ask, locked, Problem, setKey, Unreachable, url } from "../../src/live/api";
import { marketAt } from "../../src/live/clock";
import { venuesOf } from "../../src/live/standing";

type Init = { headers: Record<string, string> };
const answer = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(status === 304 ? null : JSON.stringify(body), { status, headers });

afterEach(() => {
  vi.unstubAllGlobals();
  setKey(null);
});

describe("a question", () => {
  it("fills in its path and tells the rest in order, without what is not given", () => {
    expect(url("/api/long-short/{symbol}", { symbol: "BTC", b: "x,y", a: 1, c: null })).toBe(
      "/api/long-short/BTC?a=1&b=x,y",
    );
  });

  it("is answered by the very same body while it has not changed", async () => {
    const asked: Init[] = [];
    vi.stubGlobal("fetch", async (_: string, init: Init) => {
      asked.push(init);
      return asked.length === 1 ? answer(200, { coins: [] }, { ETag: '"1"' }) : answer(304, null);
    });
    const first = await ask("/api/v1/symbols", {});
    expect(await ask("/api/v1/symbols", {})).toBe(first);
    expect(asked.map((one) => one.headers["If-None-Match"])).toEqual([undefined, '"1"']);
  });

  it("is refused with all that the problem says, and a key is asked for where one is wanted", async () => {
    const problem = { code: "key-missing", detail: "a key", hint: "keys add", request_id: "r-1" };
    vi.stubGlobal("fetch", async () => answer(401, problem, { "Retry-After": "7" }));
    const error = await ask("/api/v1/symbols", {}).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(Problem);
    expect(error).toMatchObject({
      code: "key-missing",
      status: 401,
      hint: "keys add",
      requestId: "r-1",
      retryAfterS: 7,
    });
    expect(locked.value).toEqual({ why: null });
  });

  it("has the key of this session in a header, never in its address", async () => {
    const asked: [string, Init][] = [];
    vi.stubGlobal("fetch", async (address: string, init: Init) => {
      asked.push([address, init]);
      return answer(200, {});
    });
    setKey("pps_1_2");
    await ask("/api/v1/symbols", {});
    expect(asked[0]?.[0]).toBe("/api/v1/symbols");
    expect(asked[0]?.[1].headers["X-API-Key"]).toBe("pps_1_2");
  });

  it("that nobody answers is told from one that is refused", async () => {
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("failed");
    });
    expect(await ask("/api/v1/symbols", {}).catch((one: unknown) => one)).toBeInstanceOf(Unreachable);
  });
});

describe("the market's clock", () => {
  const beat = { marketMs: 1_000_000, rate: 60, at: 100 };
  it("runs as fast as the heart says, and no faster than real time once nothing is heard", () => {
    expect(marketAt(beat, 1_100, 0)).toBe(1_060_000);
    expect(marketAt(beat, 11_100, 0)).toBe(1_000_000 + 300_000 + 6_000);
    expect(marketAt(null, 5, 42)).toBe(42);
  });
});

describe("a venue", () => {
  it("is as well as its worst feed, and as old as what is late of it", () => {
    const feed = (channel: string, state: string, age_ms: number | null) =>
      ({ venue: "okx", channel, state, age_ms }) as Parameters<typeof venuesOf>[0][number];
    expect(
      venuesOf([feed("trades", "live", 20), feed("liquidations", "silent", 74_000), feed("book", "live", null)]),
    ).toEqual([{ venue: "okx", state: "silent", ageMs: 74_000, troubled: ["liquidations"], isPartly: true }]);
  });
});
