/** When to try again: soon at first, then ever more seldom, and never all pages at the same moment. */

export const FIRST_MS = 500;
export const MOST_MS = 30_000;
/** A stream that says nothing for so long is taken for lost: its heartbeat comes every 5 s. */
export const SILENT_MS = 12_000;

/**
 * Real ms to wait before a try.
 *
 * @param attempt tries that have failed in a row, from 1
 * @param random 0 to 1
 */
export function waitMs(attempt: number, random: number): number {
  const full = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 10));
  return Math.round(full * (0.5 + random / 2));
}
