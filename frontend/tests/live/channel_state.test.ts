import { describe, expect, it } from "vitest";
import { type Kept, merged, step, UNTOLD } from "../../src/live/channel_state";
import type { Message } from "../../src/live/shapes";

const message = (type: Message["type"], seq: number, data: unknown, dropped?: number): Message => ({
  ch: "c",
  seq,
  ts_ms: 1_000 + seq,
  type,
  data,
  ...(dropped === undefined ? {} : { dropped }),
});
const all = (messages: Message[], keep = 100): { kept: Kept; holes: number } =>
  messages.reduce<{ kept: Kept; holes: number }>(
    ({ kept, holes }, one) => {
      const { kept: next, isHole } = step(kept, one, keep);
      return { kept: next, holes: holes + Number(isHole) };
    },
    { kept: UNTOLD, holes: 0 },
  );
const rows = (...times: number[]) => times.map((time_ms) => ({ time_ms }));

describe("a state", () => {
  it("is replaced by a snapshot, changed by deltas, and loses members that are null", () => {
    const { kept, holes } = all([
      message("snapshot", 4, { a: 1, b: 2 }),
      message("delta", 5, { b: 3, c: 4 }),
      message("delta", 6, { a: null }),
    ]);
    expect([kept.data, kept.seq, holes]).toEqual([{ b: 3, c: 4 }, 6, 0]);
  });

  it("takes nothing after a hole until there is a snapshot, and counts the hole once", () => {
    const before = all([
      message("snapshot", 1, { a: 1 }),
      message("delta", 3, { a: 3 }),
      message("delta", 4, { a: 4 }),
    ]);
    expect([before.kept.data, before.holes, before.kept.isAwaiting]).toEqual([{ a: 1 }, 1, true]);
    const { kept } = step(before.kept, message("snapshot", 5, { a: 5 }), 1);
    expect([kept.data, kept.seq, kept.isAwaiting]).toEqual([{ a: 5 }, 5, false]);
  });

  it("follows on where the service says how many it did not tell", () => {
    const { kept, holes } = all([message("snapshot", 1, {}), message("delta", 6, { a: 1 }, 4)]);
    expect([kept.dropped, holes]).toEqual([4, 0]);
  });

  it("tells nothing before its first snapshot", () => {
    expect(step(UNTOLD, message("delta", 1, { a: 1 }), 1)).toEqual({ kept: UNTOLD, isHole: false });
  });

  it("does not touch the members it had", () => {
    const members = { a: 1 };
    expect(merged(members, { a: null, b: 2 })).toEqual({ b: 2 });
    expect(members).toEqual({ a: 1 });
  });
});

describe("rows", () => {
  it("stand newest first and count as many as a message brings", () => {
    const { kept, holes } = all([
      message("snapshot", 7, rows(1, 2)),
      message("delta", 9, rows(3, 4)),
      message("delta", 10, rows(5)),
    ]);
    expect([kept.data, kept.arrived, holes]).toEqual([rows(5, 4, 3, 2, 1), 3, 0]);
  });

  it("are kept up to a number", () => {
    const { kept } = all([message("snapshot", 0, rows(1, 2)), message("delta", 2, rows(3, 4))], 3);
    expect(kept.data).toEqual(rows(4, 3, 2));
  });

  it("keep their tail over a lost connection, without telling a row twice", () => {
    const { kept } = all([
      message("snapshot", 0, rows(1, 2)),
      message("delta", 2, rows(3, 4)),
      message("snapshot", 3, rows(3, 4, 5)),
    ]);
    expect(kept.data).toEqual(rows(5, 4, 3, 2, 1));
    expect(kept.dropped).toBe(0);
  });

  it("say what nobody told them while the connection was lost", () => {
    const { kept } = all([message("snapshot", 2, rows(1, 2)), message("snapshot", 12, rows(10, 11, 12))]);
    expect(kept.dropped).toBe(7);
  });

  it("begin anew with a face that counts from the beginning", () => {
    const { kept } = all([message("snapshot", 50, rows(1)), message("snapshot", 0, []), message("delta", 1, rows(9))]);
    expect([kept.data, kept.dropped]).toEqual([rows(9, 1), 0]);
  });
});
