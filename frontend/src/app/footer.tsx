/** The footer: how each venue's feeds do, and where things come from. */
import { useComputed } from "@preact/signals";
import { marketRate, second } from "../live/clock";
import { standing, type VenueStanding } from "../live/standing";
import { age, venue } from "../ui/format";
import { Lamp, stateWord } from "../ui/lamp";
import { PageLink } from "./navigation";
import { helpOpen } from "./open";
import { health } from "./status";
import { says } from "./words";

/** Age of what a venue sent last, ms of market time, now: it grows while nobody tells a newer one. */
function ageNow(one: VenueStanding): number | null {
  const at = standing.peek().receivedAt;
  const { name } = health.peek();
  if (one.ageMs === null || at === null || name === "live" || name === "none") return one.ageMs;
  return one.ageMs + (performance.now() - at) * marketRate();
}

function Feed({ name }: { name: string }) {
  const one = useComputed(() => standing.value.venues.find((each) => each.venue === name));
  const state = useComputed(() => {
    const { name: is } = health.value;
    return is === "lost" || is === "gone" ? "down" : (one.value?.state ?? "down");
  });
  const old = useComputed(() => {
    second.value;
    return one.value ? age(ageNow(one.value)) : "—";
  });
  const title = says("feed_title", { venue: venue(name), state: stateWord(state.value), age: old.value });
  return (
    <li title={title} data-venue={name} data-feed={state.value}>
      {venue(name)} <Lamp state={state.value} /> <span>{old}</span>
    </li>
  );
}

/** See above. */
export function Footer() {
  const names = useComputed(() => standing.value.venues.map((one) => one.venue).join(","));
  const list = names.value ? names.value.split(",") : [];
  return (
    <footer class="bottom">
      <PageLink to="health">{says("feeds")}</PageLink>
      {list.length ? (
        <ul>
          {list.map((name) => (
            <Feed key={name} name={name} />
          ))}
        </ul>
      ) : (
        <span>{says("no_feeds")}</span>
      )}
      <span class="space" />
      <a href="https://www.tradingview.com/" rel="noopener noreferrer" target="_blank">
        {says("charts")}
      </a>
      <a href="/docs">{says("docs")}</a>
      <button
        type="button"
        class="icon"
        onClick={() => {
          helpOpen.value = true;
        }}
      >
        {says("help")}
      </button>
    </footer>
  );
}
