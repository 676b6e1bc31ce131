/** The newest candle of an interval as its minutes form it. */
import type { Bar } from "../../charts/candles";
import type { CandleRow } from "../../live/shapes";

type Minute = Pick<CandleRow, "open_ms" | "high" | "low" | "close">;

/**
 * The candle a minute belongs to, with that minute in it; null where the minute is older than the newest candle.
 *
 * @param last the newest candle that is known
 * @param stepMs length of a candle
 */
export function formed(last: Bar, minute: Minute, stepMs: number): Bar | null {
  const openMs = Math.floor(minute.open_ms / stepMs) * stepMs;
  if (openMs < last.openMs) return null;
  const { high, low, close } = minute;
  if (openMs === last.openMs) return { ...last, high: Math.max(last.high, high), low: Math.min(last.low, low), close };
  const open = last.close;
  return { openMs, open, high: Math.max(open, high), low: Math.min(open, low), close };
}

/** Run something soon, and no more often than each `ms`: the newest call counts. */
export function paced(ms: number): (run: () => void) => void {
  let wanted: (() => void) | null = null;
  let lastAt = 0;
  let isWaiting = false;
  const go = (): void => {
    isWaiting = false;
    lastAt = performance.now();
    wanted?.();
  };
  return (run) => {
    wanted = run;
    if (isWaiting) return;
    isWaiting = true;
    const left = lastAt + ms - performance.now();
    if (left > 0) setTimeout(() => requestAnimationFrame(go), left);
    else requestAnimationFrame(go);
  };
}
