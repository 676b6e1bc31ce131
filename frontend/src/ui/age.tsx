/** How old figures are, by their market time: told each second. */
import { useComputed } from "@preact/signals";
import { ageMs, second } from "../live/clock";
import { words } from "../words/vocabulary";
import { age, clockZoned } from "./format";

/** neutral below twice the interval figures are expected at, then amber, red from five times on. */
export function ageLevel(ms: number | null, expectedMs: number): "" | "warn" | "bad" {
  if (ms === null || ms < 2 * expectedMs) return "";
  return ms < 5 * expectedMs ? "warn" : "bad";
}

/** The age of an epoch (ms); `expectedMs` = how often it should be a newer one, in market time. */
export function AgeBadge({ asOfMs, expectedMs }: { asOfMs: number | null; expectedMs: number }) {
  const old = useComputed(() => {
    second.value;
    return ageMs(asOfMs);
  });
  const ms = asOfMs === null ? null : old.value;
  const title = asOfMs === null ? words("age_unknown") : words("age_title", { at: clockZoned(asOfMs) });
  return (
    <span class={`age ${ageLevel(ms, expectedMs)}`} title={title}>
      {ms === null ? "—" : words("age", { age: age(ms) })}
    </span>
  );
}
