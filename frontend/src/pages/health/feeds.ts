/** What is said of feeds and of what was not seen: pure. */
import type { Body } from "../../live/api";

export type StatusBody = Body<"/api/v1/status">;
export type Feed = StatusBody["feeds"][number];
export type CoverageBody = Body<"/api/v1/coverage">;
export type Interval = CoverageBody["intervals"][number];
export type Stream = CoverageBody["streams"][number];

/** Counts of all feeds at one moment of this page. */
export interface Sample {
  /** `performance.now()` */
  readonly at: number;
  readonly events: ReadonlyMap<string, number>;
}

/** One feed's name: venue and channel. */
export const feedKey = (feed: { venue: string; channel: string }): string => `${feed.venue}/${feed.channel}`;

/** Samples of the last `keptMs`, with a newer one; begins anew where counts went back (a new heart). */
export function sampled(before: readonly Sample[], feeds: readonly Feed[], at: number, keptMs = 20_000): Sample[] {
  const events = new Map(feeds.map((feed) => [feedKey(feed), feed.events]));
  const last = before.at(-1);
  const wasReset = last !== undefined && [...events].some(([key, count]) => count < (last.events.get(key) ?? 0));
  const kept = wasReset ? [] : before.filter((one) => at - one.at <= keptMs);
  return [...kept, { at, events }];
}

/** Events a second of real time, by feed; null while fewer than two samples are known. */
export function rateOf(samples: readonly Sample[], key: string): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < 1_000) return null;
  const [from, to] = [first.events.get(key), last.events.get(key)];
  return from === undefined || to === undefined ? null : (1_000 * (to - from)) / (last.at - first.at);
}

/** Events a second as people read it: `245/s`, `3.1/s`, `12/min`, `0`. */
export function rateText(rate: number | null, unit: { s: string; min: string }): string {
  if (rate === null) return "—";
  if (rate >= 9.95) return `${Math.round(rate)}${unit.s}`;
  if (rate >= 0.95) return `${rate.toFixed(1)}${unit.s}`;
  const perMinute = rate * 60;
  if (perMinute < 0.05) return "0";
  return `${perMinute >= 9.95 ? Math.round(perMinute) : perMinute.toFixed(1)}${unit.min}`;
}

/** The least seen share of each feed's streams; null where one of them is not known at all. */
export function leastSeen(streams: readonly Stream[]): Map<string, number | null> {
  const found = new Map<string, number | null>();
  for (const stream of streams) {
    const key = feedKey(stream);
    const before = found.has(key) ? (found.get(key) ?? null) : Number.POSITIVE_INFINITY;
    found.set(key, stream.share === null || before === null ? null : Math.min(before, stream.share));
  }
  return found;
}

export type Fate = "covered" | "repaired" | "lost" | "open";

/** What became of a stretch: seen, filled since, gone for good, or missing with a chance to be filled. */
export function fateOf(one: Pick<Interval, "state" | "repaired" | "lost">): Fate {
  if (one.state === "covered") return "covered";
  if (one.repaired) return "repaired";
  return one.lost ? "lost" : "open";
}

/** One stream with its stretches in order of time. */
export interface Track {
  readonly key: string;
  readonly stream: Stream;
  readonly intervals: readonly Interval[];
}

/** Stretches by stream; those with gaps first, then by venue and channel as they came. */
export function tracksOf(body: CoverageBody, gapsOnly: boolean): Track[] {
  const name = (one: { venue: string; channel: string; instrument: string | null }) =>
    `${one.venue}/${one.channel}/${one.instrument ?? "*"}`;
  const byStream = new Map<string, Interval[]>();
  for (const one of body.intervals) byStream.set(name(one), [...(byStream.get(name(one)) ?? []), one]);
  const tracks = body.streams.map((stream) => ({
    key: name(stream),
    stream,
    intervals: byStream.get(name(stream)) ?? [],
  }));
  const shown = gapsOnly ? tracks.filter(({ stream }) => stream.gaps > 0) : tracks;
  return shown.sort((a, b) => Number(b.stream.gaps > 0) - Number(a.stream.gaps > 0));
}

/** Gaps, the newest first. */
export function gapsOf(intervals: readonly Interval[]): Interval[] {
  return intervals.filter((one) => one.state === "gap").sort((a, b) => b.from_ms - a.from_ms);
}

/** The value that `share` of these do not exceed; null without any. */
export function quantile(values: readonly number[], share: number): number | null {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.max(0, Math.ceil(share * ordered.length) - 1)] ?? null;
}
