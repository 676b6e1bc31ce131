/** Liquidations as they come, newest on top: by size, from a minimum, held still with the space bar. */
import { type ReadonlySignal, type Signal, signal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { useKeys } from "../../app/keyboard";
import { parameter } from "../../app/route";
import { language, sound, zone } from "../../app/settings";
import { useAnswer } from "../../live/answers";
import { coinOf } from "../../live/quote";
import type { LiquidationRow } from "../../live/shapes";
import { type Rows, useRows } from "../../live/stream";
import type { Sheet } from "../../ui/export";
import { clock, iso, price, usd, usdWhole, venue, zoneName } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Picker } from "../../ui/picker";
import { Side } from "../../ui/tag";
import { words } from "../../words/vocabulary";
import { channelOf, joined, summed, type Tiers, tierOf, tiersOf } from "./rows";
import "./tape.css";
import { says } from "./words";

const SHOWN = 80;
const SUMMARY_MS = 30_000;
/** Nothing may be liquidated for hours: the age of the newest says nothing of the feed. */
const QUIET_MS = 86_400_000;
const LEAST = ["0", "1000", "5000", "10000", "50000", "100000", "1000000"] as const;
const COMPLETENESS = ["complete", "sampled", "watchlist"] as const;
const isPaused: Signal<boolean> = signal(false);

/** Dollars a row must have; of the address: `min=50000`. */
export const least: Signal<string> = parameter("min", "0");

interface TapeProps {
  id: string;
  /** A coin or an instrument; null = all. */
  symbol: string | null;
  /** Rows kept, for the CSV. */
  keep: number;
}

type Taped = Rows<LiquidationRow>;

const sheetOf = (rows: readonly LiquidationRow[]): Sheet => ({
  name: "perpscope-liquidations",
  columns: ["time", "venue", "instrument", "side", "price", "price_is", "size", "usd", "completeness", "sampling"],
  rows: rows.map((row) => [
    iso(row.time_ms),
    row.venue,
    row.instrument,
    row.side,
    row.price,
    row.price_is,
    row.size,
    row.usd,
    row.completeness,
    row.sampling,
  ]),
  notes: [`OBSERVED, ${rows[0]?.data ?? "unknown"} data`],
});

function Seen({ row }: { row: LiquidationRow }) {
  const known = COMPLETENESS.find((one) => one === row.completeness) ?? "unknown";
  return (
    <td class="seen" title={says(`${known}_title`)}>
      {says(known)}
    </td>
  );
}

function Line({ row, tiers, isNamed }: { row: LiquidationRow; tiers: Tiers; isNamed: boolean }) {
  return (
    <tr class={tierOf(row.usd, tiers)}>
      <td class="mono">{clock(row.time_ms)}</td>
      <td>
        {venue(row.venue)}
        {isNamed ? ` ${row.coin}` : ""}
      </td>
      <td class="side">
        <Side side={row.side} />
      </td>
      <td class="number" title={row.price_is === "bankruptcy" ? says("price_is_bankruptcy") : undefined}>
        {price(row.price)}
        {row.price_is === "bankruptcy" ? "*" : ""}
      </td>
      <td class="number" title={usdWhole(row.usd)}>
        {usd(row.usd)}
      </td>
      <Seen row={row} />
    </tr>
  );
}

/** What came since the page was opened, and what was stored before. */
function useTape(symbol: string | null, leastUsd: number, keep: number): ReadonlySignal<Taped> {
  const live = useRows<LiquidationRow>(channelOf(symbol, leastUsd), keep);
  const query = { ...(symbol === null ? {} : { symbol }), min_usd: leastUsd, limit: keep };
  const answer = useAnswer("/api/v1/liquidations", query);
  const stored = useComputed<LiquidationRow[]>(() => {
    const body = answer.value.body;
    return (body?.liquidations ?? []).map((row) => ({
      ...row,
      coin: coinOf(row.instrument),
      price_is: row.price_is as LiquidationRow["price_is"],
      data: body?.meta.data ?? null,
    }));
  });
  return useComputed(() => ({ ...live.value, rows: joined(live.value.rows, stored.value, keep) }));
}

/** The rows that are shown: as they come, or as they were when they were held. */
function useHeld(tape: ReadonlySignal<Taped>): { shown: ReadonlySignal<Taped>; missed: ReadonlySignal<number> } {
  const held = useSignal<Taped | null>(null);
  useSignalEffect(() => {
    held.value = isPaused.value ? (held.peek() ?? tape.peek()) : null;
  });
  return {
    shown: useComputed(() => held.value ?? tape.value),
    missed: useComputed(() => (held.value ? Math.max(0, tape.value.arrived - held.value.arrived) : 0)),
  };
}

/** A tone for what is large, where that is wanted; nothing for what was there before. */
function useTones(tape: ReadonlySignal<Taped>, tiers: Tiers): void {
  const last = useMemo(() => ({ arrived: tape.peek().arrived }), [tape]);
  useSignalEffect(() => {
    const { rows, arrived } = tape.value;
    const news = rows.slice(0, Math.max(0, arrived - last.arrived));
    last.arrived = arrived;
    if (!sound.peek() || document.hidden) return;
    const loudest = news.reduce<LiquidationRow | null>(
      (most, row) => ((row.usd ?? 0) > (most?.usd ?? 0) ? row : most),
      null,
    );
    const tier = tierOf(loudest?.usd ?? null, tiers);
    if (!loudest || !tier) return;
    void import("./tone").then(({ tone }) => tone(loudest.side === "LONG", tier === "huge"));
  });
}

/** What came in the last half minute, for whoever has it read out. */
function Spoken({ tape }: { tape: ReadonlySignal<Taped> }) {
  const text = useSignal("");
  useEffect(() => {
    let before = tape.peek().arrived;
    const timer = setInterval(() => {
      const { rows, arrived } = tape.peek();
      const found = summed(rows, Math.max(0, arrived - before));
      before = arrived;
      const values = { n: found.count, s: SUMMARY_MS / 1000, longs: usd(found.longsUsd), shorts: usd(found.shortsUsd) };
      text.value = found.count ? says("summary", values) : says("summary_none", values);
    }, SUMMARY_MS);
    return () => clearInterval(timer);
  }, [tape]);
  return (
    <p class="unseen" aria-live="polite">
      {text}
    </p>
  );
}

function Controls({ missed, tiers }: { missed: ReadonlySignal<number>; tiers: Tiers }) {
  return (
    <>
      <Picker
        label={says("min")}
        value={least}
        choices={LEAST.map((value) => ({ value, label: value === "0" ? says("any") : `≥ ${usd(Number(value))}` }))}
      />
      <button
        type="button"
        aria-pressed={isPaused.value}
        onClick={() => {
          isPaused.value = !isPaused.value;
        }}
      >
        {isPaused.value ? says("go_on", { n: missed.value }) : says("pause")}
      </button>
      <button
        type="button"
        class="sound"
        aria-pressed={sound.value}
        title={says("sound_title", { usd: usd(tiers.big) })}
        onClick={() => {
          sound.value = !sound.value;
        }}
      >
        ♪ <span class="unseen">{says("sound")}</span>
      </button>
    </>
  );
}

function Rows_({ tape, symbol, tiers }: { tape: Taped; symbol: string | null; tiers: Tiers }) {
  const spoken = `${language.value}${zone.value}${symbol}`;
  const made = useMemo(() => new WeakMap<LiquidationRow, VNode>(), [spoken]);
  const lines = tape.rows.slice(0, SHOWN).map((row) => {
    const known = made.get(row);
    if (known) return known; // the very same node is not looked at again
    const key = `${row.received_ms}${row.instrument}${row.time_ms}${row.side}${row.size}${row.price}`;
    const line = <Line key={key} row={row} tiers={tiers} isNamed={symbol === null} />;
    made.set(row, line);
    return line;
  });
  return <tbody>{lines}</tbody>;
}

/** The panel. */
export function Tape({ id, symbol, keep }: TapeProps) {
  const wanted = Math.max(0, Number(least.value) || 0);
  const tape = useTape(symbol, wanted, keep);
  const tiers = useMemo(() => tiersOf(symbol ?? "BTC"), [symbol]);
  const { shown, missed } = useHeld(tape);
  useTones(tape, tiers);
  const spoken = language.value;
  useKeys(
    useMemo(
      () => ({
        " ": {
          label: says("pause"),
          run: () => {
            isPaused.value = !isPaused.peek();
          },
        },
        s: {
          label: says("sound"),
          run: () => {
            sound.value = !sound.peek();
          },
        },
      }),
      [spoken],
    ),
  );
  const { rows, dropped } = shown.value;
  return (
    <Panel
      id={id}
      class="tape"
      title={says("title")}
      kind="observed"
      feeds={["liquidations"]}
      asOfMs={rows[0]?.time_ms ?? null}
      expectedMs={QUIET_MS}
      controls={<Controls missed={missed} tiers={tiers} />}
      csv={() => sheetOf(shown.peek().rows)}
      table={() => sheetOf(shown.peek().rows)}
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="table-frame" tabIndex={0} aria-label={says("title")}>
        <table aria-live="off">
          <thead>
            <tr>
              <th>{zoneName()}</th>
              <th>{words("venue")}</th>
              <th>{words("side")}</th>
              <th class="number">{words("price")}</th>
              <th class="number">{words("usd")}</th>
              <th class="seen">{says("seen")}</th>
            </tr>
          </thead>
          <Rows_ tape={shown.value} symbol={symbol} tiers={tiers} />
        </table>
        {rows.length ? null : (
          <p class="none dim">{wanted ? says("none_above", { min: usd(wanted) }) : says("none")}</p>
        )}
      </section>
      {dropped ? <p class="dropped warn">{says("dropped", { n: dropped })}</p> : null}
      <Spoken tape={tape} />
    </Panel>
  );
}
