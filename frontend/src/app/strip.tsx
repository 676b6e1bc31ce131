/** A line of figures of the symbol: each says where it comes from and how old it is. */
import { type ReadonlySignal, useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useAnswer } from "../live/answers";
import type { Body } from "../live/api";
import { ageMs, second } from "../live/clock";
import { useMarket } from "../live/market";
import { coinOf, quoteOf } from "../live/quote";
import type { Meta } from "../live/shapes";
import { useChannel } from "../live/stream";
import { about, age, clockZoned, funding, number, percent, ratio, signed, UNKNOWN, usd } from "../ui/format";
import { words } from "../words/vocabulary";
import { coin } from "./route";
import { health } from "./status";
import { says } from "./words";

type Sentiment = Body<"/api/v1/market-sentiment">;
type LiquidationMap = Body<"/api/v1/liquidation-map">;
const TOTALS_MS = 10_000;

/** Where a figure comes from and how old it is, in words. */
function origin(kind: "model" | "observed", asOfMs: number | null | undefined): string {
  const name = words(kind);
  if (asOfMs == null) return says("origin_unknown", { kind: name });
  return says("origin", { kind: name, at: clockZoned(asOfMs), age: age(ageMs(asOfMs)) });
}

interface ItemProps {
  name: string;
  label: string;
  title: ReadonlySignal<string>;
  children: ComponentChildren;
}

function Item({ name, label, title, children }: ItemProps) {
  return (
    <div title={title} data-figure={name}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A title that is told anew each second. */
function useTitle(make: () => string): ReadonlySignal<string> {
  return useComputed(() => {
    second.value;
    return make();
  });
}

const levelOf = (sentiment: Sentiment | null, name: string): number | null =>
  sentiment?.figures?.find((figure) => figure.name === name)?.level ?? null;

/** A channel that was told nothing yet holds an empty object. */
const asOf = (body: { meta?: Meta } | null): number | null => body?.meta?.as_of_ms ?? null;

type From<T> = ReadonlySignal<T | null>;

function Funding({ sentiment }: { sentiment: From<Sentiment> }) {
  const rate = useComputed(() => levelOf(sentiment.value, "funding"));
  const text = useComputed(() => funding(rate.value));
  const title = useTitle(
    () =>
      `${says("funding_title")} (≈ ${percent(rate.value === null ? null : rate.value * 109_500)} APR)\n${origin("observed", asOf(sentiment.value))}`,
  );
  return (
    <Item name="funding" label={says("funding")} title={title}>
      <span>{text}</span>
    </Item>
  );
}

/** Change of open interest in 24 h, a fraction: the figure `oi_trend` is it times the sign of the price's move. */
function openInterestChange(sentiment: Sentiment | null): number | null {
  const trend = levelOf(sentiment, "oi_trend");
  const moved = levelOf(sentiment, "momentum");
  return trend === null || !moved ? null : trend * Math.sign(moved);
}

function OpenInterest({ symbol, sentiment }: { symbol: string; sentiment: From<Sentiment> }) {
  const market = useMarket(symbol);
  const isKnown = useComputed(() => market.value !== null);
  const quote = useComputed(() => {
    second.value;
    isKnown.value;
    return quoteOf(market.peek());
  });
  const text = useComputed(() => usd(quote.value.openInterestUsd));
  const change = useComputed(() => {
    const part = symbol.includes(".") ? null : openInterestChange(sentiment.value);
    return part === null ? "" : percent(100 * part, 1);
  });
  const title = useTitle(
    () => `${says("oi_title", { n: quote.value.contracts })}\n${origin("observed", quote.value.timeMs)}`,
  );
  return (
    <Item name="open-interest" label={says("oi")} title={title}>
      <span>{text}</span>
      <span class="dim">{change}</span>
    </Item>
  );
}

function Ratio({ sentiment }: { sentiment: From<Sentiment> }) {
  const text = useComputed(() => ratio(levelOf(sentiment.value, "ls_accounts")));
  const title = useTitle(() => `${says("ratio_title")}\n${origin("observed", asOf(sentiment.value))}`);
  return (
    <Item name="long-short" label={says("ratio")} title={title}>
      <span>{text}</span>
    </Item>
  );
}

function Liquidated({ symbol }: { symbol: string }) {
  const totals = useAnswer("/api/v1/liquidations/24h", { symbol }, { everyMs: TOTALS_MS });
  const total = useComputed(() => totals.value.body?.total ?? null);
  const long = useComputed(() => usd(total.value?.long.observed_usd));
  const short = useComputed(() => usd(total.value?.short.observed_usd));
  const title = useTitle(() => {
    const told = total.value;
    const words = {
      n: number(told?.both.observed_events),
      long: about(told?.long.estimated_usd),
      short: about(told?.short.estimated_usd),
    };
    return `${says("liquidated_title", words)}\n${origin("observed", asOf(totals.value.body))}`;
  });
  return (
    <Item name="liquidated" label={says("liquidated")} title={title}>
      <span class="long">
        ▼ {words("long")} {long}
      </span>
      <span class="short">
        ▲ {words("short")} {short}
      </span>
    </Item>
  );
}

const PULLS = { UP: ["▲", "up", "short"], DOWN: ["▼", "down", "long"], UNBIASED: ["◆", "even_pull", "dim"] } as const;

function Pull({ map }: { map: From<LiquidationMap> }) {
  const lean = useComputed(() => map.value?.direction ?? null);
  const title = useTitle(() => `${says("pull_title")}\n${origin("model", asOf(map.value))}`);
  const [glyph, word, cls] = PULLS[lean.value?.bias ?? "UNBIASED"];
  return (
    <Item name="pull" label={says("pull")} title={title}>
      {lean.value ? (
        <span class={cls}>
          {glyph} {signed(lean.value.balance)} {says(word)}
        </span>
      ) : (
        UNKNOWN
      )}
    </Item>
  );
}

function Mood({ sentiment }: { sentiment: From<Sentiment> }) {
  const text = useComputed(() => {
    const index = sentiment.value?.index ?? null;
    return index === null ? UNKNOWN : `${number(index)}/100`;
  });
  const title = useTitle(() => `${says("sentiment_title")}\n${origin("model", asOf(sentiment.value))}`);
  return (
    <Item name="sentiment" label={says("sentiment")} title={title}>
      <span>{text}</span>
    </Item>
  );
}

function Figures({ symbol }: { symbol: string }) {
  const base = coinOf(symbol);
  const moods = useChannel<Sentiment>(`sentiment:${base}`);
  const maps = useChannel<LiquidationMap>(`map:${base}`);
  const sentiment = useComputed(() => moods.value.data);
  const map = useComputed(() => maps.value.data);
  const { name } = health.value;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="strip" tabIndex={0} aria-label={says("figures", { coin: symbol })}>
      <dl class={name === "lost" || name === "gone" ? "is-old" : ""}>
        <Funding sentiment={sentiment} />
        <OpenInterest symbol={symbol} sentiment={sentiment} />
        <Ratio sentiment={sentiment} />
        <Liquidated symbol={symbol} />
        <Pull map={map} />
        <Mood sentiment={sentiment} />
      </dl>
    </section>
  );
}

/** See above. */
export function Strip() {
  return <Figures key={coin.value} symbol={coin.value} />;
}
