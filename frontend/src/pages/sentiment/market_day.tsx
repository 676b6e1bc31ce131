import type { ReadonlySignal, Signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { coin } from "../../app/route";
import { type Bar, type BarSeries, Bars } from "../../charts/bars";
import { type Line, Lines } from "../../charts/lines";
import { pictureOf } from "../../charts/picture";
import { usualStep } from "../../charts/scale";
import { venueColour, venueDash } from "../../charts/venues";
import type { Answer } from "../../live/answers";
import { type Colours, colours } from "../../theme/colours";
import type { Sheet } from "../../ui/export";
import { amount, iso, percent, price, usd, venue } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { dated, type SentimentBody } from "./figures";
import "./market.css";
import { says } from "./words";

type VenuePast = NonNullable<SentimentBody["market"]>["venues"][number];
type Series = "open_interest" | "funding_8h";
const PANES = ["funding", "open_interest", "taker", "liquidated", "price"] as const;

function sheet(body: SentimentBody | null): Sheet {
  const market = body?.market ?? null;
  const venues = market?.venues ?? [];
  const taker = body?.figures.find((figure) => figure.name === "taker")?.past ?? [];
  return {
    name: `market-${coin.peek()}`,
    columns: [
      "time",
      "price",
      "taker_ratio",
      "long_liquidated_usd",
      "short_liquidated_usd",
      ...venues.flatMap((one) => [`open_interest ${one.venue}`, `funding_8h ${one.venue}`]),
    ],
    rows: (body?.recent ?? [])
      .map(([at], n) => [
        iso(at),
        market?.price[n] ?? null,
        taker[n] ?? null,
        market?.long_usd[n] ?? null,
        market?.short_usd[n] ?? null,
        ...venues.flatMap((one) => [one.open_interest[n] ?? null, one.funding_8h[n] ?? null]),
      ])
      .reverse(),
    notes: ["OBSERVED; liquidations of the last two days as estimated from samples"],
  };
}

/** Funding, open interest, takers, liquidations and the price of the last 24 hours, on one time axis. */
export function MarketPanel(props: { answer: ReadonlySignal<Answer<SentimentBody>>; cursor: Signal<number | null> }) {
  const canvases = useRef(new Map<string, HTMLCanvasElement | null>());
  const body = props.answer.value.body;
  const titles = {
    funding: says("funding_venue"),
    open_interest: says("oi_venue"),
    taker: says("taker_pane"),
    liquidated: says("liquidated"),
    price: says("price_pane"),
  };
  return (
    <Panel
      id="market-day"
      title={says("market")}
      kind="observed"
      answer={props.answer}
      empty={body !== null && body.market === null}
      csv={() => sheet(props.answer.peek().body)}
      table={() => sheet(props.answer.peek().body)}
      png={() =>
        pictureOf(
          PANES.map((name) => ({
            title: `${coin.peek()} · ${titles[name]}`,
            canvas: canvases.current.get(name) ?? null,
          })),
        )
      }
    >
      {body?.market ? (
        <Panes
          body={body}
          titles={titles}
          cursor={props.cursor}
          keep={(name, made) => canvases.current.set(name, made)}
        />
      ) : null}
    </Panel>
  );
}

interface PanesProps {
  body: SentimentBody;
  titles: Readonly<Record<(typeof PANES)[number], string>>;
  cursor: Signal<number | null>;
  keep: (name: string, made: HTMLCanvasElement | null) => void;
}

function Panes({ body, titles, cursor, keep }: PanesProps) {
  const palette = colours.value;
  const [from, to] = [body.recent[0]?.[0] ?? 0, body.recent.at(-1)?.[0] ?? 1];
  const step = usualStep(body.recent) || 900_000;
  const rates = useMemo(() => venueLines(body, "funding_8h", palette, 100), [body, palette]);
  const interest = useMemo(() => venueLines(body, "open_interest", palette, 1), [body, palette]);
  const taker = useMemo(() => takerLine(body, palette), [body, palette]);
  const mark = useMemo<Line[]>(
    () => [{ name: titles.price, colour: palette.text, points: dated(body.recent, body.market?.price ?? []) }],
    [body, palette, titles.price],
  );
  const bars = useMemo(() => barsOf(body, step), [body, step]);
  const series = useMemo<BarSeries[]>(
    () => [
      { name: `▲ ${says("shorts")}`, colour: palette.shortBar, direction: "up" },
      { name: `▼ ${says("longs")}`, colour: palette.longBar, direction: "down" },
    ],
    [palette, titles.liquidated],
  );
  const zero = useMemo(() => [{ value: 0 }], []);
  const one = useMemo(() => [{ value: 1 }], []);
  const shared = { from, to, cursor, axis: 62, widestMs: 3 * step };
  return (
    <div class="panes">
      <Pane title={titles.funding}>
        <Lines
          {...shared}
          label={titles.funding}
          lines={rates}
          levels={zero}
          format={rateText}
          height={124}
          canvas={(made) => keep("funding", made)}
        />
      </Pane>
      <Pane title={titles.open_interest} note={says("base_units", { coin: coin.value.split("-")[0] ?? coin.value })}>
        <Lines
          {...shared}
          label={titles.open_interest}
          lines={interest}
          format={amount}
          height={124}
          canvas={(made) => keep("open_interest", made)}
        />
      </Pane>
      <Pane title={titles.taker}>
        <Lines
          {...shared}
          label={titles.taker}
          lines={taker}
          levels={one}
          format={twoPlaces}
          height={92}
          canvas={(made) => keep("taker", made)}
        />
      </Pane>
      <Pane title={titles.liquidated} note={says("est")}>
        <Bars
          label={titles.liquidated}
          series={series}
          bars={bars}
          from={from}
          to={to}
          cursor={cursor}
          axis={62}
          format={usd}
          height={110}
          canvas={(made) => keep("liquidated", made)}
        />
      </Pane>
      <Pane title={titles.price}>
        <Lines
          {...shared}
          label={titles.price}
          lines={mark}
          format={price}
          height={92}
          hasLegend={true}
          canvas={(made) => keep("price", made)}
        />
      </Pane>
    </div>
  );
}

function Pane(props: { title: string; note?: string; children: preact.ComponentChildren }) {
  return (
    <section class="pane">
      <h3>
        {props.title} {props.note === undefined ? null : <span class="dim">{props.note}</span>}
      </h3>
      {props.children}
    </section>
  );
}

const rateText = (value: number): string => percent(value, 3);
const twoPlaces = (value: number): string => value.toFixed(2);

function venueLines(body: SentimentBody, series: Series, palette: Colours, factor: number): Line[] {
  return (body.market?.venues ?? [])
    .filter((one: VenuePast) => one[series].some((value) => value !== null))
    .map((one) => ({
      name: venue(one.venue),
      colour: venueColour(one.venue, palette),
      ...venueDash(one.venue),
      points: dated(
        body.recent,
        one[series].map((value) => (value === null ? null : value * factor)),
      ),
      isStep: series === "funding_8h",
    }));
}

function takerLine(body: SentimentBody, palette: Colours): Line[] {
  const past = body.figures.find((figure) => figure.name === "taker")?.past ?? [];
  return [{ name: says("pooled"), colour: palette.accent, points: dated(body.recent, past) }];
}

/** Liquidated dollars of each quarter hour: shorts push up, longs down. */
export function barsOf(body: SentimentBody, step: number): Bar[] {
  const late = body.recent.length - (body.market?.long_usd.length ?? 0);
  return (body.market?.long_usd ?? []).flatMap((long, n) => {
    const end = body.recent[n + late]?.[0];
    const short = body.market?.short_usd[n] ?? null;
    if (end === undefined) return [];
    return [{ from: end - step, to: end, values: [short, long], seen: long === null && short === null ? 0 : 1 }];
  });
}
