import type { ReadonlySignal, Signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { coin } from "../../app/route";
import { type Line, Lines } from "../../charts/lines";
import { type Part, pictureOf } from "../../charts/picture";
import { venueColour, venueDash } from "../../charts/venues";
import type { Answer } from "../../live/answers";
import type { Body } from "../../live/api";
import { ageMs, second } from "../../live/clock";
import { colours } from "../../theme/colours";
import type { Sheet } from "../../ui/export";
import { age, iso, percent, ratio, share, UNKNOWN, venue } from "../../ui/format";
import { Panel } from "../../ui/panel";
import "./ratios.css";
import { says } from "./words";

type RatiosBody = Body<"/api/v1/long-short/{symbol}">;
type Kind = RatiosBody["pooled"][number]["kind"];
const KINDS: readonly Kind[] = ["all_accounts", "top_accounts", "top_positions", "all_positions"];
const DAY_MS = 86_400_000;

/** What a kind of ratio is called. */
export function kindWord(kind: Kind): string {
  return says(kind === "top_positions" ? "top_positions_kind" : kind);
}

function sheet(body: RatiosBody | null): Sheet {
  const now = (body?.venues ?? []).flatMap((one) =>
    one.ratios.map((told) => [
      one.venue,
      one.symbol,
      told.kind,
      iso(told.at_ms),
      told.long_share,
      told.ratio,
      told.verdict,
      told.pool_share,
    ]),
  );
  const pooled = (body?.pooled ?? []).map((one) => [
    "all",
    coin.peek(),
    one.kind,
    iso(body?.meta.as_of_ms),
    one.long_share,
    one.ratio,
    "",
    one.told_by,
  ]);
  return {
    name: `long-short-${coin.peek()}`,
    columns: ["venue", "symbol", "kind", "time", "long_share", "ratio", "verdict", "weight"],
    rows: [...pooled, ...now],
    notes: ["OBSERVED", ...(body?.meta.notes ?? [])],
  };
}

/** Three kinds of long/short ratio, of all venues together and of each, with their last 24 hours. */
export function RatiosPanel(props: { answer: ReadonlySignal<Answer<RatiosBody>>; cursor: Signal<number | null> }) {
  const canvases = useRef(new Map<string, HTMLCanvasElement | null>());
  const body = props.answer.value.body;
  const kinds = KINDS.filter((kind) => body?.venues.some((one) => one.ratios.some((told) => told.kind === kind)));
  const parts = (): Part[] =>
    kinds.map((kind) => ({ title: kindWord(kind), canvas: canvases.current.get(kind) ?? null }));
  return (
    <Panel
      id="ratios"
      title={says("ratios")}
      kind="observed"
      answer={props.answer}
      expectedMs={300_000}
      empty={body !== null && body.venues.length === 0}
      csv={() => sheet(props.answer.peek().body)}
      table={() => sheet(props.answer.peek().body)}
      png={() => pictureOf(parts())}
      class="wide-panel"
    >
      {body === null ? null : (
        <div class="ratios">
          {kinds.map((kind) => (
            <One
              key={kind}
              kind={kind}
              body={body}
              cursor={props.cursor}
              canvas={(made) => canvases.current.set(kind, made)}
            />
          ))}
        </div>
      )}
    </Panel>
  );
}

interface OneProps {
  kind: Kind;
  body: RatiosBody;
  cursor: Signal<number | null>;
  canvas: (made: HTMLCanvasElement | null) => void;
}

function One({ kind, body, cursor, canvas }: OneProps) {
  const palette = colours.value;
  const pooled = body.pooled.find((one) => one.kind === kind) ?? null;
  const lines = useMemo<Line[]>(
    () =>
      body.history
        .filter((one) => one.kind === kind)
        .map((one) => ({
          name: venue(one.venue),
          colour: venueColour(one.venue, palette),
          ...venueDash(one.venue),
          points: one.points.map(([at, long]) => [at, 100 * long] as const),
        })),
    [body, palette, kind],
  );
  const levels = useMemo(() => [{ value: 50 }], []);
  const to = Math.max(...body.history.map((one) => one.points.at(-1)?.[0] ?? 0), 1);
  return (
    <section class="ratio" aria-label={kindWord(kind)}>
      <header>
        <h3>{kindWord(kind)}</h3>
        <span class="dim">{says(kind === "top_positions" ? "top_positions_kind_is" : `${kind}_is`)}</span>
      </header>
      <Balance long={pooled?.long_share ?? null} />
      <p class="ratio-now">
        <b class="num">{ratio(pooled?.ratio ?? null)}</b>
        <span class="dim">
          {says("pooled_of", { n: pooled?.venues.length ?? 0, share: share(pooled?.told_by ?? null, 0) })}
        </span>
      </p>
      <Lines
        label={says("ratio_label", { kind: kindWord(kind) })}
        lines={lines}
        from={to - DAY_MS}
        to={to}
        levels={levels}
        format={tenth}
        cursor={cursor}
        height={132}
        axis={46}
        canvas={canvas}
      />
      <VenueList body={body} kind={kind} />
    </section>
  );
}

const tenth = (value: number): string => percent(value, 1, false);

/** Longs and shorts as one bar. */
function Balance({ long }: { long: number | null }) {
  const short = long === null ? null : 1 - long;
  return (
    <div class="balance">
      <span class="long num">
        ▼ {says("longs")} {share(long)}
      </span>
      <span class="short num">
        {share(short)} {says("shorts")} ▲
      </span>
      <div class="split" aria-hidden="true">
        {long === null ? null : <span class="split-long" style={{ width: `${100 * long}%` }} />}
        {short === null ? null : <span class="split-short" style={{ width: `${100 * short}%` }} />}
      </div>
    </div>
  );
}

function VenueList({ body, kind }: { body: RatiosBody; kind: Kind }) {
  second.value;
  const palette = colours.value;
  const told = body.venues.flatMap((one) =>
    one.ratios.filter((found) => found.kind === kind).map((found) => ({ ...found, venue: one.venue })),
  );
  return (
    <table class="ratio-venues">
      <thead class="unseen">
        <tr>
          <th scope="col">{says("venue")}</th>
          <th scope="col">{says("ratio")}</th>
          <th scope="col">{says("long_share")}</th>
          <th scope="col">{says("age")}</th>
          <th scope="col">{says("verdict")}</th>
        </tr>
      </thead>
      <tbody>
        {told.map((one) => (
          <tr key={one.venue} class={one.is_stale ? "dim-row" : ""}>
            <th scope="row">
              <span class="dot" aria-hidden="true" style={{ background: venueColour(one.venue, palette) }} />
              {venue(one.venue)}
            </th>
            <td class="number">{one.ratio === null ? UNKNOWN : ratio(one.ratio)}</td>
            <td class="number">{share(one.long_share)}</td>
            <td class="number dim">{age(ageMs(one.at_ms))}</td>
            <td class={one.verdict === "used" ? "dim" : "warn"}>{says(one.verdict)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
