/** The page's second hand, and the market's clock as the heart keeps it. */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";

const ticks: Signal<number> = signal(0);

/** Grows by one each second while the page is visible. */
export const second: ReadonlySignal<number> = ticks;

setInterval(() => {
  if (!document.hidden) ticks.value++;
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) ticks.value++;
});

/** A heart that was not heard for so long (ms) is not followed any faster than real time. */
const FOLLOWED_MS = 5_000;

interface Beat {
  /** Market time, epoch ms, at `at`. */
  marketMs: number;
  /** Market seconds per real second. */
  rate: number;
  /** `performance.now()` */
  at: number;
}
let beat: Beat | null = null;

/** The market's time (epoch ms) `at` ms of `performance.now()`, from the last beat. */
export function marketAt(told: Beat | null, at: number, wallMs: number): number {
  if (told === null) return wallMs;
  const passed = Math.max(0, at - told.at);
  if (told.rate === 0) return told.marketMs; // a market that is over
  return told.marketMs + Math.min(passed, FOLLOWED_MS) * told.rate + Math.max(0, passed - FOLLOWED_MS);
}

/** Market time, epoch ms: the heart's where one was heard, else this machine's. */
export function marketNow(): number {
  return marketAt(beat, performance.now(), Date.now());
}

/** The heart told its time (epoch ms) and how fast it runs (1 = real time). */
export function setMarketClock(marketMs: number, rate: number): void {
  beat = { marketMs, rate, at: performance.now() };
}

/** Market seconds per real second: 1, but where a recording or a generated market is played faster. */
export const marketRate = (): number => beat?.rate || 1;

/** Age in ms of a market time; null where the time is not known. Never negative. */
export function ageMs(epochMs: number | null | undefined): number | null {
  return epochMs == null ? null : Math.max(0, marketNow() - epochMs);
}
