/** The title of the document: the price, the symbol, the page, and ⚠ where what is shown is not current. */
import { effect, signal } from "@preact/signals";
import { second } from "../live/clock";
import { quoteOf } from "../live/quote";
import type { MarketMembers } from "../live/shapes";
import { followNewest } from "../live/stream";
import { price } from "../ui/format";
import { words } from "../words/vocabulary";
import { coin, page } from "./route";
import { health } from "./status";

/** Keep it current, once a second. */
export function followTitle(): void {
  const market = followNewest<MarketMembers>(() => `market:${coin.value}`);
  const hasPrice = signal(false);
  effect(() => {
    hasPrice.value = market.value.data !== null;
  });
  effect(() => {
    second.value;
    const now = hasPrice.value ? quoteOf(market.peek().data).price : null;
    const { name } = health.value;
    const isOld = name === "lost" || name === "gone" || name === "stale";
    const parts = [now === null ? null : price(now), coin.value, words(page.value), "perpscope"];
    document.title = (isOld ? "⚠ " : "") + parts.filter((part) => part !== null).join(" · ");
  });
}
