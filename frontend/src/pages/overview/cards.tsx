/** One coin as it stands: a card for each figure, saying what kind it is. */
import { type ReadonlySignal, useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { coin } from "../../app/route";
import { Mirror } from "../../charts/spark";
import { type Answer, useAnswer } from "../../live/answers";
import { coinOf } from "../../live/quote";
import { colours } from "../../theme/colours";
import { about, age, apr, clockZoned, funding, percent, price, usd, venue } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { KindTag } from "../../ui/tag";
import { Change, DayLine, Liquidated, Mood, missing, Pull, signClass } from "./cells";
import {
  changeOf,
  fundingOf,
  heldBy,
  interestOf,
  type Live,
  type OverviewBody,
  type OverviewRow,
  priceOf,
} from "./live";
import { says } from "./words";

interface CardProps {
  name: string;
  title: string;
  kind: "model" | "observed";
  /** Market time, when the row was made. */
  ageMs: number | null | undefined;
  children: ComponentChildren;
}

function Card({ name, title, kind, ageMs, children }: CardProps) {
  return (
    <section class={`card of-${name}`} data-card={name}>
      <header>
        <h3>{title}</h3>
        <KindTag kind={kind} />
        <span class="dim old">{ageMs == null ? "" : age(ageMs)}</span>
      </header>
      {children}
    </section>
  );
}

interface Shown {
  row: OverviewRow;
  live: Live;
}

function PriceCard({ row, live }: Shown) {
  const told = row.price;
  const day = changeOf(row, live, 24);
  const isShort = told != null && told.change_24h == null && told.since_ms != null;
  return (
    <Card name="price" title={says("price")} kind="observed" ageMs={told?.age_ms}>
      <p class="large">{price(priceOf(row, live))}</p>
      <p class="moves">
        <Change value={day} sinceMs={told?.since_ms} />
        <span class="dim">{says("change_24h")}</span>
        <Change value={changeOf(row, live, 1)} sinceMs={told?.since_ms} />
        <span class="dim">{says("change_1h")}</span>
      </p>
      <DayLine row={row} height={44} />
      <p class="dim small">
        {isShort
          ? says("since", { at: clockZoned(told.since_ms) })
          : says("range_title", { low: price(told?.low_24h), high: price(told?.high_24h) })}
      </p>
    </Card>
  );
}

function FundingCard({ row, live }: Shown) {
  const told = fundingOf(row, live);
  const venues = row.funding?.venues ?? [];
  const widest = Math.max(1e-9, ...venues.map((one) => Math.abs(one.rate_8h)));
  return (
    <Card name="funding" title={says("funding")} kind="observed" ageMs={row.funding?.age_ms}>
      <p class="large">
        <span class={signClass(told?.rate ?? null)}>{funding(told?.rate)}</span>
        <span class="dim side-note">{told ? says("apr", { apr: apr(told.rate, 8) }) : ""}</span>
      </p>
      <dl class="by-venue">
        {venues.map((one) => (
          <div key={one.instrument}>
            <dt>{venue(one.venue)}</dt>
            <dd>
              <svg viewBox="-50 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                <rect class="rail" x="-50" y="2.5" width="100" height="1" />
                <rect
                  class={one.rate_8h >= 0 ? "up" : "down"}
                  x={Math.min(0, (48 * one.rate_8h) / widest)}
                  y="1"
                  width={(48 * Math.abs(one.rate_8h)) / widest}
                  height="4"
                />
              </svg>
              {funding(one.rate_8h)}
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

function InterestCard({ row, live }: Shown) {
  const told = row.open_interest;
  const venues = heldBy(row, live);
  const most = Math.max(1, ...venues.map((one) => one.usd));
  return (
    <Card name="oi" title={says("oi")} kind="observed" ageMs={told?.age_ms}>
      <p class="large">
        {usd(interestOf(row, live))}
        <Change value={told?.change_24h ?? null} sinceMs={row.price?.since_ms} />
        <span class="dim">{says("change_24h")}</span>
      </p>
      <dl class="by-venue">
        {venues.slice(0, 5).map((one) => (
          <div key={one.venue}>
            <dt>{venue(one.venue)}</dt>
            <dd>
              <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                <rect class="held" y="1" width={(100 * one.usd) / most} height="4" />
              </svg>
              {usd(one.usd)}
            </dd>
          </div>
        ))}
      </dl>
      {told && told.compared < told.of_venues ? (
        <p class="dim small">{says("oi_part", { n: told.compared, of: told.of_venues })}</p>
      ) : null}
    </Card>
  );
}

function LiquidatedCard({ row }: { row: OverviewRow }) {
  const totals = useAnswer("/api/v1/liquidations/24h", { symbol: coin.value }, { everyMs: 10_000 });
  const pairs = (totals.value.body?.by_hour ?? []).map(
    ({ sides }) => [sides.short.observed_usd, sides.long.observed_usd] as const,
  );
  const day = totals.value.body?.total;
  const own = row.liquidated;
  const told = own && day ? { ...own, h24: { long: day.long, short: day.short } } : own;
  const most = (window: "h1" | "h24"): number =>
    Math.max(1, ...[told?.[window].long, told?.[window].short].map((one) => one?.high_usd ?? one?.observed_usd ?? 0));
  const palette = colours.value;
  return (
    <Card name="liquidated" title={says("liq_24h")} kind="observed" ageMs={told?.age_ms}>
      {told ? (
        <div class="windows">
          <span class="dim">{says("hours24")}</span>
          <Liquidated row={{ ...row, liquidated: told }} window="h24" most={most("h24")} />
          <span class="dim">{says("hour")}</span>
          <Liquidated row={row} window="h1" most={most("h1")} />
        </div>
      ) : (
        <p class="dim">{missing(row, "liquidated")}</p>
      )}
      {pairs.length ? (
        <Mirror
          label={says("by_hour")}
          pairs={pairs}
          upColour={palette.shortBar}
          downColour={palette.longBar}
          height={34}
        />
      ) : null}
    </Card>
  );
}

function Near({ side, near }: { side: "long" | "short"; near: NonNullable<OverviewRow["pull"]>["long"] }) {
  if (!near) return null;
  return (
    <div>
      <dt class={side}>
        {side === "short" ? "▲" : "▼"} {price(near.price)}
      </dt>
      <dd>
        <span class="dim">{percent(near.distance_pct, 1)}</span> {about(near.usd)}
      </dd>
    </div>
  );
}

function PullCard({ row }: { row: OverviewRow }) {
  const told = row.pull;
  return (
    <Card name="pull" title={says("pull")} kind="model" ageMs={told?.age_ms}>
      {told ? (
        <>
          <Pull row={row} />
          <dl class="near" aria-label={says("nearest")}>
            <Near side="short" near={told.short} />
            <Near side="long" near={told.long} />
          </dl>
        </>
      ) : (
        <p class="dim">{missing(row, "pull")}</p>
      )}
    </Card>
  );
}

function MoodCard({ row }: { row: OverviewRow }) {
  const told = row.sentiment;
  return (
    <Card name="mood" title={says("mood")} kind="model" ageMs={told?.age_ms}>
      {told?.index == null ? <p class="dim">{missing(row, "sentiment")}</p> : <Mood row={row} />}
      <p class="dim small ends">
        <span>0 {says("fear")}</span>
        <span>{says("greed")} 100</span>
      </p>
    </Card>
  );
}

function Cards({ answer, live }: { answer: ReadonlySignal<Answer<OverviewBody>>; live: ReadonlySignal<Live> }) {
  const name = coinOf(coin.value);
  const row = answer.value.body?.coins.find((one) => one.coin === name);
  const shown = useComputed(() => live.value.get(name) ?? []);
  if (!row) return <p class="dim none">{says("not_stored", { coin: name })}</p>;
  const own: Live = new Map([[name, shown.value]]);
  return (
    <div class="cards">
      <PriceCard row={row} live={own} />
      <LiquidatedCard row={row} />
      <InterestCard row={row} live={own} />
      <FundingCard row={row} live={own} />
      <PullCard row={row} />
      <MoodCard row={row} />
    </div>
  );
}

/** The chosen coin. */
export function NowPanel({
  answer,
  live,
}: {
  answer: ReadonlySignal<Answer<OverviewBody>>;
  live: ReadonlySignal<Live>;
}) {
  return (
    <Panel
      id="now"
      title={says("now", { coin: coinOf(coin.value) })}
      kind={null}
      answer={answer}
      feeds={["mark_prices", "open_interest", "liquidations"]}
      empty={answer.value.body !== null && answer.value.body.coins.length === 0}
    >
      {answer.value.body ? <Cards answer={answer} live={live} /> : null}
    </Panel>
  );
}
