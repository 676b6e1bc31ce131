/** How the heart, its feeds and the market's time stand, from the channel `status`. */
import { computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { ask, type Body } from "./api";
import { setMarketClock } from "./clock";
import type { Data, FeedRow, HeartState, StatusMembers } from "./shapes";
import { follow } from "./stream";

export type FeedState = FeedRow["state"];

/** A venue by its worst feed. */
export interface VenueStanding {
  venue: string;
  state: FeedState;
  /** Of the newest its feeds sent, ms of market time at `receivedAt`; where some are not doing well, of those. */
  ageMs: number | null;
  /** Feeds that are not doing well: `liquidations`, `mark_prices` … */
  troubled: readonly string[];
  /** Others of its feeds are. */
  isPartly: boolean;
}

export interface Standing {
  /** null = nothing was heard yet. */
  heart: HeartState | null;
  /** Where the market itself comes from. */
  data: Data | null;
  venues: readonly VenueStanding[];
  feeds: readonly FeedRow[];
  /** Messages of the heart that were lost on their way here. */
  missed: number;
  /** What is wrong with the store, where no heart was heard; a sentence. */
  note: string | null;
  /** By `performance.now()`. */
  receivedAt: number | null;
}

const WORST_FIRST: readonly FeedState[] = ["down", "silent", "stale", "live", "replay"];
export const isTroubled = (state: string): boolean => state === "down" || state === "silent" || state === "stale";

/** Feeds by venue, the worst of each first. */
export function venuesOf(feeds: readonly FeedRow[]): VenueStanding[] {
  const byVenue = new Map<string, FeedRow[]>();
  for (const feed of feeds) byVenue.set(feed.venue, [...(byVenue.get(feed.venue) ?? []), feed]);
  return [...byVenue].map(([venue, rows]) => {
    const late = rows.filter((row) => isTroubled(row.state));
    const ages = (late.length ? late : rows).map((row) => row.age_ms).filter((age) => age !== null);
    const state = WORST_FIRST.find((one) => rows.some((row) => row.state === one)) ?? "down";
    const ageMs = ages.length ? Math.min(...ages) : null;
    const isPartly = late.length > 0 && late.length < rows.length;
    return { venue, state, ageMs, troubled: late.map((row) => row.channel), isPartly };
  });
}

const status = follow<StatusMembers>("status");

/** What the store says, where no heart was heard: asked for, since nobody tells it. */
const stored: Signal<Body<"/api/v1/status"> | null> = signal(null);

/** What is known last; it stays while the connection is lost. */
export const standing: ReadonlySignal<Standing> = computed(() => {
  const { data, receivedAt } = status.value;
  const heart = data?.heart_state ?? null;
  const store = heart === "none" ? stored.value : null;
  const feeds = data?.feeds ?? (store?.feeds as FeedRow[] | undefined) ?? [];
  return {
    heart,
    data: data?.data ?? store?.meta.data ?? null,
    venues: venuesOf(feeds),
    feeds,
    missed: data?.missed ?? 0,
    note: store?.meta.notes[0] ?? null,
    receivedAt,
  };
});

effect(() => {
  const heart = status.value.data?.heart;
  if (heart) setMarketClock(heart.market_ms, heart.is_running ? heart.rate : 0);
});

async function askStore(): Promise<void> {
  if (document.hidden) return;
  try {
    const body = await ask("/api/v1/status", {});
    stored.value = body;
    const isNow = body.meta.data === "observed";
    if (body.meta.as_of_ms !== null) setMarketClock(body.meta.as_of_ms, isNow ? 1 : 0);
  } catch {
    return; // the panels say what is wrong
  }
}

const isAlone = computed(() => status.value.data?.heart_state === "none");
const STORE_MS = 10_000;
effect(() => {
  if (!isAlone.value) return undefined;
  void askStore();
  const timer = setInterval(() => void askStore(), STORE_MS);
  return () => clearInterval(timer);
});
