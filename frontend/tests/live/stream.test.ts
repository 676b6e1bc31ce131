import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { waitMs } from "../../src/live/reconnect";
import { type Socket, Stream, type Surroundings } from "../../src/live/socket_stream";

class Wire implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  readonly sent: { op: string; channels: string[] }[] = [];
  isClosed = false;
  constructor(
    readonly channels: readonly string[],
    readonly ticket: string | null,
  ) {}
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.isClosed = true;
  }
  tell(type: string, ch: string, seq: number, data: unknown): void {
    this.onmessage?.({ data: JSON.stringify({ ch, seq, ts_ms: 1, type, data }) });
  }
  fall(code = 1006): void {
    this.onclose?.({ code, reason: "gone" });
  }
}

let wires: Wire[] = [];
let pass: () => Promise<string | null>;
const newest = (): Wire => wires.at(-1) as Wire;
const settled = () => vi.advanceTimersByTimeAsync(0);

function made(): Stream {
  const around: Surroundings = {
    open: (channels, ticket) => {
      wires.push(new Wire(channels, ticket));
      return newest();
    },
    ticket: () => pass(),
    frame: (run) => run(),
    random: () => 1,
  };
  return new Stream(around);
}

async function opened(stream: Stream): Promise<void> {
  stream.join("status", {});
  await settled();
  newest().onopen?.();
  newest().tell("snapshot", "status", 0, { heart_state: "live" });
}

beforeEach(() => {
  vi.useFakeTimers();
  wires = [];
  pass = async () => null;
});
afterEach(() => vi.useRealTimers());

describe("waits", () => {
  it("double from half a second to half a minute", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 20].map((attempt) => waitMs(attempt, 1))).toEqual([
      500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000,
    ]);
  });

  it("differ from page to page by up to a half", () => {
    expect([waitMs(3, 0), waitMs(3, 0.5)]).toEqual([1000, 1500]);
  });
});

describe("the stream", () => {
  it("asks for what is wanted when it opens, then for what is wanted more", async () => {
    const stream = made();
    await opened(stream);
    stream.join("market:BTC", {});
    stream.join("gaps", {});
    await settled();
    expect(newest().channels).toEqual(["status"]);
    expect(newest().sent).toEqual([{ op: "subscribe", channels: ["market:BTC", "gaps"] }]);
  });

  it("leaves a channel a while after its last user did, and not if one comes back", async () => {
    const stream = made();
    const [first, second] = [{}, {}];
    await opened(stream);
    stream.join("gaps", first);
    stream.join("gaps", second);
    stream.leave("gaps", first);
    await vi.advanceTimersByTimeAsync(6_000);
    newest().tell("heartbeat", "heartbeat", 0, { heart_state: "live" });
    stream.leave("gaps", second);
    await vi.advanceTimersByTimeAsync(3_000);
    stream.join("gaps", first);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(newest().sent.filter((one) => one.op === "unsubscribe")).toEqual([]);
    newest().tell("heartbeat", "heartbeat", 0, { heart_state: "live" });
    stream.leave("gaps", first);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(newest().sent.at(-1)).toEqual({ op: "unsubscribe", channels: ["gaps"] });
  });

  it("asks for a snapshot where a count does not fit, and counts the hole", async () => {
    const stream = made();
    await opened(stream);
    newest().tell("delta", "status", 2, { missed: 1 });
    await settled();
    expect(newest().sent).toEqual([{ op: "subscribe", channels: ["status"] }]);
    expect(stream.holes.value).toBe(1);
  });

  it("comes back by itself, asks for everything anew, and shows what it had meanwhile", async () => {
    const stream = made();
    const one = stream.join("market:BTC", {});
    await opened(stream);
    newest().tell("snapshot", "market:BTC", 5, { a: 1 });
    newest().fall();
    expect(stream.connection.value).toMatchObject({ phase: "lost", attempt: 1 });
    expect(one.state.value.data).toEqual({ a: 1 });
    await vi.advanceTimersByTimeAsync(500);
    expect(stream.connection.value).toMatchObject({ phase: "connecting", attempt: 1 });
    expect(newest().channels).toEqual(["market:BTC", "status"]);
    newest().onopen?.();
    newest().tell("snapshot", "market:BTC", 0, { a: 2 });
    expect(stream.connection.value).toMatchObject({ phase: "open", attempt: 0, retryAt: null });
    expect(one.state.value.data).toEqual({ a: 2 });
    expect(stream.holes.value).toBe(0);
  });

  it("waits longer after each try that fails", async () => {
    const stream = made();
    stream.join("status", {});
    await settled();
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      newest().fall();
      const wait = (stream.connection.value.retryAt ?? 0) - performance.now();
      waits.push(Math.round(wait));
      await vi.advanceTimersByTimeAsync(wait + 1);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000]);
    expect(wires.length).toBe(5);
  });

  it("takes a stream for lost that says nothing for 12 s", async () => {
    const stream = made();
    await opened(stream);
    await vi.advanceTimersByTimeAsync(11_000);
    expect(stream.connection.value.phase).toBe("open");
    await vi.advanceTimersByTimeAsync(2_500);
    expect(stream.connection.value.attempt).toBe(1);
    expect(wires[0]?.isClosed).toBe(true);
  });

  it("tries at once when told to", async () => {
    const stream = made();
    await opened(stream);
    newest().fall();
    stream.retryNow();
    await settled();
    expect(wires.length).toBe(2);
    await vi.advanceTimersByTimeAsync(600);
    expect(wires.length).toBe(2);
  });

  it("takes a new ticket for each try, and plans another where there is none", async () => {
    let asked = 0;
    pass = async () => {
      asked++;
      if (asked === 1) throw new Error("refused");
      return `t${asked}`;
    };
    const stream = made();
    stream.join("status", {});
    await vi.advanceTimersByTimeAsync(600);
    expect(newest().ticket).toBe("t2");
    newest().fall();
    await vi.advanceTimersByTimeAsync(1_100);
    expect(newest().ticket).toBe("t3");
  });

  it("hears from a heartbeat how the heart does", async () => {
    const stream = made();
    await opened(stream);
    newest().tell("heartbeat", "heartbeat", 0, { heart_state: "gone" });
    expect(stream.listening("status").state.value.data).toEqual({ heart_state: "gone" });
  });

  it("tells a channel's refusal to who listens to it", async () => {
    const stream = made();
    const one = stream.join("map:XYZ", {});
    await opened(stream);
    newest().tell("error", "error", 0, { code: "map-too-little-oi", detail: "no", hint: null, channel: "map:XYZ" });
    expect(one.state.value.problem).toMatchObject({ code: "map-too-little-oi", detail: "no" });
  });

  it("ignores what an old connection still says", async () => {
    const stream = made();
    await opened(stream);
    const old = newest();
    const hear = old.onmessage;
    old.fall();
    await vi.advanceTimersByTimeAsync(600);
    hear?.({
      data: JSON.stringify({ ch: "status", seq: 9, ts_ms: 1, type: "snapshot", data: { heart_state: "gone" } }),
    });
    expect(stream.listening("status").state.value.data).toEqual({ heart_state: "live" });
  });
});
