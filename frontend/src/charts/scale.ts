/** Pure geometry of the small charts: ticks, runs without gaps, stacks. Times are epoch ms. */

export type Point = readonly [at: number, value: number | null];
export type Span = readonly [from: number, to: number];

/** A straight map of `[low, high]` to `[start, end]` pixels. */
export function linear(low: number, high: number, start: number, end: number): (value: number) => number {
  const factor = high === low ? 0 : (end - start) / (high - low);
  return high === low ? () => (start + end) / 2 : (value) => start + (value - low) * factor;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 15, 30]
  .map((n) => n * MINUTE)
  .concat(
    [1, 2, 3, 4, 6, 12].map((n) => n * HOUR),
    [1, 2, 7].map((n) => n * DAY),
  );

/** Moments worth a label between two others; `offsetMs` is what the reader's clock is ahead of UTC. */
export function timeTicks(from: number, to: number, count: number, offsetMs = 0): { at: number; isDay: boolean }[] {
  if (!(to > from) || count < 1) return [];
  const step = STEPS.find((one) => (to - from) / one <= count) ?? 30 * DAY;
  const found: { at: number; isDay: boolean }[] = [];
  for (let n = Math.ceil((from + offsetMs) / step); n * step <= to + offsetMs; n += 1)
    found.push({ at: n * step - offsetMs, isDay: (n * step) % DAY === 0 });
  return found;
}

/** Stretches without a hole: a null, or two points further apart than `widestMs`, ends one. */
export function runs(points: readonly Point[], widestMs = Number.POSITIVE_INFINITY): (readonly [number, number])[][] {
  const found: (readonly [number, number])[][] = [];
  let run: (readonly [number, number])[] = [];
  for (const [at, value] of points) {
    const last = run.at(-1);
    if (value === null || (last !== undefined && at - last[0] > widestMs)) {
      if (run.length > 0) found.push(run);
      run = [];
    }
    if (value !== null) run.push([at, value]);
  }
  if (run.length > 0) found.push(run);
  return found;
}

/** The holes between, before and after runs, within `[from, to]`. */
export function holes(points: readonly Point[], widestMs: number, from: number, to: number): Span[] {
  const found: Span[] = [];
  let end = from;
  for (const run of runs(points, widestMs)) {
    const [start, last] = [run[0]?.[0] ?? from, run.at(-1)?.[0] ?? from];
    if (start - end > widestMs) found.push([end, start]);
    end = last;
  }
  if (to - end > widestMs) found.push([end, to]);
  return found;
}

/** Spans that overlap or touch, joined; in order. */
export function joined(spans: readonly Span[]): Span[] {
  const found: [number, number][] = [];
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = found.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  }
  return found;
}

/** Least and greatest of what is known, with `pad` of their distance around; null if nothing is known. */
export function extent(values: Iterable<number | null>, pad = 0.08): readonly [number, number] | null {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return null;
  const room = high > low ? (high - low) * pad : Math.abs(high) * pad || 1;
  return [low - room, high + room];
}

/** The known value nearest in time, no further than `withinMs`. */
export function nearest(points: readonly Point[], at: number, withinMs: number): readonly [number, number] | null {
  let found: readonly [number, number] | null = null;
  for (const [time, value] of points) {
    if (value === null || Math.abs(time - at) > withinMs) continue;
    if (found === null || Math.abs(time - at) < Math.abs(found[0] - at)) found = [time, value];
  }
  return found;
}

/** The usual distance of two points: the median; 0 with fewer than two. */
export function usualStep(points: readonly Point[]): number {
  const steps = points.slice(1).map(([at], n) => at - (points[n]?.[0] ?? at));
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

export interface Piece {
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/** Signed values laid end to end from `start`: where each begins and ends. They end at `start` + their sum. */
export function chained(values: readonly number[], start: number): Piece[] {
  let at = start;
  return values.map((value, index) => {
    const from = at;
    at += value;
    return { index, from, to: at };
  });
}
