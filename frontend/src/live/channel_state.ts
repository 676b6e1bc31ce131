/** What a channel has told so far: pure steps from one message to the next (docs/streams.md). */
import type { Message } from "./shapes";

/** What this page knows of a channel. */
export interface Kept<T = unknown> {
  /** Of a state: its members. Of events: rows, newest first. */
  data: T | null;
  seq: number;
  tsMs: number | null;
  /** Rows that were told as they happened. */
  arrived: number;
  /** What the service said it did not tell, and what could not be told while the connection was lost. */
  dropped: number;
  /** A count did not fit: nothing is taken until a snapshot comes. */
  isAwaiting: boolean;
}

export const UNTOLD: Kept<never> = { data: null, seq: 0, tsMs: null, arrived: 0, dropped: 0, isAwaiting: true };

export interface Step<T> {
  kept: Kept<T>;
  /** The message does not follow what was told before it: ask for a snapshot. */
  isHole: boolean;
}

type Members = Record<string, unknown>;
interface Timed {
  time_ms?: number | null;
  from_ms?: number | null;
}

const isRows = (data: unknown): data is unknown[] => Array.isArray(data);
const timeOf = (row: unknown): number | null => (row as Timed)?.time_ms ?? (row as Timed)?.from_ms ?? null;

/** A member of null is one that there is none of any more. */
export function merged(members: Members, delta: Members): Members {
  const made = { ...members, ...delta };
  for (const [name, value] of Object.entries(delta)) if (value === null) delete made[name];
  return made;
}

/** Rows of before the snapshot's oldest stay: the tape does not lose its tail with the connection. */
function joined(before: readonly unknown[], snapshot: readonly unknown[], keep: number): unknown[] {
  const newestFirst = [...snapshot].reverse();
  const oldest = newestFirst.length ? timeOf(newestFirst.at(-1)) : Number.POSITIVE_INFINITY;
  const older = before.filter((row) => oldest !== null && (timeOf(row) ?? Number.POSITIVE_INFINITY) < oldest);
  return [...newestFirst, ...older].slice(0, keep);
}

function begun(kept: Kept, message: Message, keep: number): Kept {
  const { data, seq, ts_ms: tsMs } = message;
  const told = { seq, tsMs, isAwaiting: false, arrived: kept.arrived };
  if (!isRows(data)) {
    return { ...told, data: merged({}, data as Members), dropped: kept.dropped + (message.dropped ?? 0) };
  }
  const before = isRows(kept.data) ? kept.data : [];
  const isSameFace = kept.tsMs !== null && seq >= kept.seq;
  const lost = isSameFace ? Math.max(0, seq - kept.seq - data.length) : 0;
  return { ...told, data: joined(before, data, keep), dropped: kept.dropped + lost };
}

/**
 * One message further.
 *
 * @param keep rows that are kept of a channel of events
 */
export function step(kept: Kept, message: Message, keep: number): Step<unknown> {
  if (message.type === "snapshot") return { kept: begun(kept, message, keep), isHole: false };
  if (kept.isAwaiting) return { kept, isHole: false };
  const dropped = message.dropped ?? 0;
  const brings = isRows(message.data) ? message.data.length : 1;
  if (message.seq !== kept.seq + dropped + brings) return { kept: { ...kept, isAwaiting: true }, isHole: true };
  const told = { ...kept, seq: message.seq, tsMs: message.ts_ms, dropped: kept.dropped + dropped };
  if (!isRows(message.data)) {
    return { kept: { ...told, data: merged((kept.data ?? {}) as Members, message.data as Members) }, isHole: false };
  }
  const before = isRows(kept.data) ? kept.data : [];
  const rows = [...message.data.reverse(), ...before];
  if (rows.length > keep) rows.length = keep;
  return { kept: { ...told, data: rows, arrived: kept.arrived + brings }, isHole: false };
}
