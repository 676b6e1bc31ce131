/** What was not seen of a coin: intervals of the ledger and rows of the stream, one line for each loss. */
import type { Body } from "../../live/api";
import type { GapRow } from "../../live/shapes";

export type Coverage = Body<"/api/v1/coverage">;

export interface Missed {
  venue: string;
  /** Epoch ms. */
  fromMs: number;
  /** null = it lasts. */
  toMs: number | null;
  cause: string;
  channels: string[];
  isRepaired: boolean;
}

/** Losses that began within a minute of each other at one venue, of one cause, are one. */
const TOGETHER_MS = 60_000;

/**
 * Newest first: those of the ledger, and those the stream has told since.
 *
 * @param fresh rows of the channel `gaps`, newest first; `streams` are `channel` or `channel:instrument`
 */
export function missedOf(told: Coverage | null, fresh: readonly GapRow[], coin: string): Missed[] {
  const since = told?.from_ms ?? 0;
  const known = (told?.intervals ?? [])
    .filter((one) => one.state === "gap")
    .map((one) => ({
      venue: one.venue,
      fromMs: one.from_ms,
      toMs: one.to_ms,
      cause: one.cause ?? "unknown",
      channels: [one.channel as string],
      isRepaired: one.repaired,
    }));
  const newer = fresh
    .filter((row) => row.from_ms > (told?.to_ms ?? 0) && row.streams.some((stream) => isOf(stream, coin)))
    .map((row) => ({
      venue: row.venue,
      fromMs: row.from_ms,
      toMs: row.to_ms,
      cause: row.cause,
      channels: [...new Set(row.streams.map((stream) => stream.split(":")[0] ?? stream))],
      isRepaired: false,
    }));
  return together([...newer, ...known].filter((one) => (one.toMs ?? since) >= since));
}

function isOf(stream: string, coin: string): boolean {
  const [, instrument] = stream.split(":");
  return instrument === undefined || instrument.startsWith(`${coin}-`);
}

function together(rows: Missed[]): Missed[] {
  const found: Missed[] = [];
  for (const row of rows.sort((a, b) => b.fromMs - a.fromMs)) {
    const same = found.find(
      (one) => one.venue === row.venue && one.cause === row.cause && one.fromMs - row.fromMs <= TOGETHER_MS,
    );
    if (!same) {
      found.push({ ...row, channels: [...row.channels] });
      continue;
    }
    same.channels = [...new Set([...same.channels, ...row.channels])];
    same.fromMs = Math.min(same.fromMs, row.fromMs);
    same.toMs = same.toMs === null || row.toMs === null ? null : Math.max(same.toMs, row.toMs);
    same.isRepaired = same.isRepaired && row.isRepaired;
  }
  return found;
}

/** How much of the time liquidations were watched: the mean of the venues, and the least of them. */
export function seenOf(told: Coverage | null): { share: number; least: number; venue: string } | null {
  const known = (told?.streams ?? []).flatMap((one) =>
    one.channel === "liquidations" && one.share !== null ? [{ share: one.share, venue: one.venue }] : [],
  );
  const worst = known.reduce<(typeof known)[number] | null>(
    (least, one) => (least === null || one.share < least.share ? one : least),
    null,
  );
  if (worst === null) return null;
  const mean = known.reduce((sum, one) => sum + one.share, 0) / known.length;
  return { share: mean, least: worst.share, venue: worst.venue };
}
