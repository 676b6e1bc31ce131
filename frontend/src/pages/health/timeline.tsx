import { zone } from "../../app/settings";
import { timeTicks } from "../../charts/scale";
import { timeLabel } from "../../charts/surface";
import { age, clock } from "../../ui/format";
import { fateOf, type Interval } from "./feeds";
import { says } from "./words";

const WIDE = 1000;
const HIGH = 12;
/** Where each fate is drawn: they differ in height as well as in colour. */
const BOXES = {
  covered: { y: 4, height: 4 },
  repaired: { y: 2, height: 8 },
  open: { y: 0, height: 12 },
  lost: { y: 0, height: 12 },
} as const;

interface TimelineProps {
  label: string;
  intervals: readonly Interval[];
  /** Epoch ms. */
  from: number;
  to: number;
}

/** One stream's time: what was seen is a thin bar, gaps are tall, what nobody listened to stays hatched. */
export function Timeline({ label, intervals, from, to }: TimelineProps) {
  const x = (at: number) => (WIDE * (at - from)) / (to - from);
  return (
    <svg class="timeline" role="img" aria-label={label} viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none">
      {intervals.map((one) => {
        const fate = fateOf(one);
        const left = Math.max(0, x(one.from_ms));
        const width = Math.max(fate === "covered" ? 0 : 2, Math.min(WIDE, x(one.to_ms)) - left);
        return (
          <rect key={`${one.from_ms}${one.state}`} class={`fate-box ${fate}`} x={left} width={width} {...BOXES[fate]}>
            <title>{`${says(fate)} · ${clock(one.from_ms)}–${clock(one.to_ms)} · ${age(one.to_ms - one.from_ms)}${one.cause ? ` · ${one.cause}` : ""}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}

/** The axis below the streams. */
export function TimeScale({ from, to }: { from: number; to: number }) {
  const isLocal = zone.value === "local";
  const offset = isLocal ? -new Date(to).getTimezoneOffset() * 60_000 : 0;
  return (
    <div class="time-scale" aria-hidden="true">
      {timeTicks(from, to, 8, offset).map(({ at, isDay }) => (
        <span key={at} style={{ left: `${(100 * (at - from)) / (to - from)}%` }}>
          {timeLabel(at, isLocal, isDay)}
        </span>
      ))}
    </div>
  );
}
