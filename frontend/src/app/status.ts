/** How the connection and what is behind it do, in one word: for the badge and the title. */
import { computed, type ReadonlySignal } from "@preact/signals";
import { isTroubled, type Standing, standing } from "../live/standing";
import { type Connection, connection } from "../live/stream";
import { isLost } from "../ui/panel_state";

export interface Health {
  name: "live" | "stale" | "gone" | "none" | "lost" | "connecting";
  /** Who is late: `heart`, or venues. */
  who: readonly string[];
}

/** The worst that is true. */
export function healthOf(line: Connection, { heart, venues }: Pick<Standing, "heart" | "venues">): Health {
  if (isLost(line)) return { name: "lost", who: [] };
  if (line.phase === "connecting" || heart === null) return { name: "connecting", who: [] };
  if (heart === "gone" || heart === "none") return { name: heart, who: [] };
  if (heart === "stale") return { name: "stale", who: ["heart"] };
  const late = venues.filter((one) => isTroubled(one.state)).map((one) => one.venue);
  return late.length ? { name: "stale", who: late } : { name: "live", who: [] };
}

/** Changes only when the word or the names do. */
export const health: ReadonlySignal<Health> = (() => {
  let before: Health = { name: "connecting", who: [] };
  return computed(() => {
    const found = healthOf(connection.value, standing.value);
    if (found.name !== before.name || found.who.join() !== before.who.join()) before = found;
    return before;
  });
})();
