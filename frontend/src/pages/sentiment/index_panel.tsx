import type { ReadonlySignal, Signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { coin } from "../../app/route";
import { Gauge } from "../../charts/gauge";
import { Lines } from "../../charts/lines";
import { pictureOf } from "../../charts/picture";
import type { Answer } from "../../live/answers";
import { type Colours, colours } from "../../theme/colours";
import type { Sheet } from "../../ui/export";
import { iso, number, share, UNKNOWN } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { type SentimentBody, ZONES, type ZoneName, zoneOf } from "./figures";
import "./index.css";
import { says } from "./words";

const FIVE: readonly ZoneName[] = ["extreme_fear", "fear", "neutral", "greed", "extreme_greed"];

/** Fear in the colour of shorts, greed in that of longs; the middle is nobody's. */
export function zoneColour(zone: ZoneName, palette: Colours): string {
  if (zone === "neutral") return palette.strongLine;
  return zone === "fear" || zone === "extreme_fear" ? palette.shortBar : palette.longBar;
}

function wordColour(zone: ZoneName, palette: Colours): string {
  if (zone === "neutral") return palette.text;
  return zone === "fear" || zone === "extreme_fear" ? palette.short : palette.long;
}

function range(body: SentimentBody): readonly [number, number] | null {
  const known = body.recent.map(([, value]) => value).filter((value) => value !== null);
  return known.length === 0 ? null : [Math.min(...known), Math.max(...known)];
}

function sheet(body: SentimentBody | null): Sheet {
  return {
    name: `sentiment-${coin.peek()}`,
    columns: ["time", "index"],
    rows: [...(body?.recent ?? [])].reverse().map(([at, value]) => [iso(at), value]),
    notes: ["MODEL", ...(body?.meta.notes ?? [])],
  };
}

/** The index now as a gauge, and over the last 24 hours. */
export function IndexPanel(props: { answer: ReadonlySignal<Answer<SentimentBody>>; cursor: Signal<number | null> }) {
  const canvas = useRef<HTMLCanvasElement | null>(null);
  const body = props.answer.value.body;
  return (
    <Panel
      id="sentiment-index"
      title={says("index")}
      kind="model"
      answer={props.answer}
      empty={body !== null && body.index === null && body.recent.length === 0}
      csv={() => sheet(props.answer.peek().body)}
      table={() => sheet(props.answer.peek().body)}
      png={() => pictureOf([{ title: `${coin.peek()} · ${says("index_24h")}`, canvas: canvas.current }])}
      class="index-panel"
    >
      {body === null ? null : (
        <div class="index-body">
          <Now body={body} />
          <Past body={body} cursor={props.cursor} keep={canvas} />
        </div>
      )}
    </Panel>
  );
}

function Now({ body }: { body: SentimentBody }) {
  const palette = colours.value;
  const span = range(body);
  const zone = body.index === null ? null : zoneOf(body.index);
  const zones = FIVE.map((name, n) => ({ from: n * 20, to: ZONES[n] ?? 100, colour: zoneColour(name, palette) }));
  const word = zone === null ? says("unknown") : says(zone);
  const [low, high] = [number(span?.[0] ?? null), number(span?.[1] ?? null)];
  const label =
    body.index === null ? says("gauge_unknown") : says("gauge_label", { value: number(body.index), word, low, high });
  const counted = body.sentiment?.coverage ?? null;
  return (
    <div class="index-now">
      <Gauge
        label={label}
        value={body.index}
        zones={zones}
        span={span}
        text={body.index === null ? UNKNOWN : number(body.index, 1)}
        word={word}
        colour={zone === null ? palette.dim : wordColour(zone, palette)}
        ends={[says("fear"), says("greed")]}
      />
      <p class="index-facts">
        <span>{says("range_24h", { low, high })}</span>
        <span>{says("weights_count", { share: share(counted, 0) })}</span>
        {(body.sentiment?.shrink ?? 1) < 1 ? <span class="warn">{says("shrunk")}</span> : null}
        {body.history_days === null || body.history_days >= 29.5 ? null : (
          <span class="warn">{says("history_days", { days: number(body.history_days, 1) })}</span>
        )}
      </p>
      <p class="dim index-says">{says("describes")}</p>
    </div>
  );
}

function Past(props: {
  body: SentimentBody;
  cursor: Signal<number | null>;
  keep: { current: HTMLCanvasElement | null };
}) {
  const { body, cursor, keep } = props;
  const palette = colours.value;
  const lines = useMemo(
    () => [{ name: says("index_24h"), colour: palette.accent, points: body.recent, width: 2 }],
    [body, palette],
  );
  const zones = useMemo(
    () =>
      FIVE.map((name, n) => {
        const strength = name === "neutral" ? "08" : name.startsWith("extreme") ? "2e" : "17";
        return [n * 20, (n + 1) * 20, `${zoneColour(name, palette)}${strength}`] as const;
      }),
    [palette],
  );
  const levels = useMemo(() => [{ value: 50 }], []);
  const [from, to] = [body.recent[0]?.[0] ?? 0, body.recent.at(-1)?.[0] ?? 1];
  return (
    <Lines
      label={says("index_24h_label", { value: number(body.index, 1) })}
      lines={lines}
      from={from}
      to={to}
      range={[0, 100]}
      zones={zones}
      levels={levels}
      format={oneDecimal}
      cursor={cursor}
      height={212}
      axis={34}
      canvas={(made) => {
        keep.current = made;
      }}
    />
  );
}

const oneDecimal = (value: number): string => number(value, Number.isInteger(value) ? 0 : 1);
