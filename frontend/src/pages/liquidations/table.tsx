/** Every liquidation as its venue published it: filtered, page by page, and all of them as a file. */
import { batch, type Signal, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { coin, parameter } from "../../app/route";
import { useAnswer } from "../../live/answers";
import { coinOf } from "../../live/quote";
import { standing } from "../../live/standing";
import { type Origin, saveCsv } from "../../ui/export";
import { datetime, iso, number, price, UNKNOWN, usd, usdWhole, venue, zoneName } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Picker } from "../../ui/picker";
import { dataWord, Side } from "../../ui/tag";
import { words } from "../../words/vocabulary";
import { allRows, type Filter, MOST_ROWS, type Print, queryOf, sheetOf } from "./rows";
import { scope } from "./totals";
import { says } from "./words";

const PAGE = 50;
const EVERY_MS = 3_000;
const SMALLEST = ["", "1000", "10000", "50000", "100000", "1000000"] as const;
const ofVenue: Signal<string> = parameter("venue", "");
const ofSide: Signal<string> = parameter("side", "");
const least: Signal<string> = parameter("usd", "");
const from: Signal<string> = parameter("from", "");
const to: Signal<string> = parameter("to", "");
const cursor: Signal<string> = parameter("cursor", "");

const filterNow = (): Filter => ({
  symbol: scope.value === "all" ? null : coin.value,
  venue: ofVenue.value,
  side: ofSide.value,
  min: least.value,
  from: from.value,
  to: to.value,
});

/** Another filter begins with its newest page. */
function useNewestFirst(): void {
  const asked = JSON.stringify(filterNow());
  const before = useRef(asked);
  useEffect(() => {
    if (before.current !== asked) cursor.value = "";
    before.current = asked;
  }, [asked]);
}

function Time({ label, value }: { label: string; value: Signal<string> }) {
  return (
    <label class="picker">
      <span class="dim">{label}</span>
      <input
        type="datetime-local"
        value={value.value}
        onChange={(event) => {
          value.value = event.currentTarget.value;
        }}
      />
    </label>
  );
}

function Filters({ venues }: { venues: readonly string[] }) {
  const isSet = [ofVenue, ofSide, least, from, to].some((one) => one.value !== "");
  return (
    <div class="filters">
      <Picker
        label={says("venue")}
        isBare
        value={ofVenue}
        choices={[
          { value: "", label: says("any_venue") },
          ...venues.map((name) => ({ value: name, label: venue(name) })),
        ]}
      />
      <Picker
        label={says("side")}
        isBare
        value={ofSide}
        choices={[
          { value: "", label: says("any_side") },
          { value: "long", label: `▼ ${words("longs")}` },
          { value: "short", label: `▲ ${words("shorts")}` },
        ]}
      />
      <Picker
        label={says("min")}
        isBare
        value={least}
        choices={SMALLEST.map((value) => ({ value, label: value ? `≥ ${usd(Number(value))}` : says("any") }))}
      />
      <Time label={`${says("from")} (UTC)`} value={from} />
      <Time label={says("to")} value={to} />
      {isSet ? (
        <button
          type="button"
          onClick={() => {
            batch(() => {
              for (const one of [ofVenue, ofSide, least, from, to, cursor]) one.value = "";
            });
          }}
        >
          {says("clear")}
        </button>
      ) : null}
    </div>
  );
}

/** All rows of the filter as a file, told as they come; a second press stops. */
function TakeAll() {
  const taken = useSignal<number | null>(null);
  const outcome = useSignal("");
  const stop = useRef<AbortController | null>(null);
  const take = async (): Promise<void> => {
    const filter = filterNow();
    const control = new AbortController();
    stop.current = control;
    outcome.value = "";
    taken.value = 0;
    try {
      const { rows, isCut } = await allRows(
        filter,
        (n) => {
          taken.value = n;
        },
        control.signal,
      );
      const cut = isCut ? says("csv_cut", { n: number(rows.length) }) : null;
      save(rows, filter, cut);
      outcome.value = cut ?? says("csv_done", { n: number(rows.length) });
    } catch (error) {
      if (!control.signal.aborted) outcome.value = says("csv_failed", { n: number(taken.peek()), why: String(error) });
    }
    taken.value = null;
  };
  return (
    <>
      <span class="dim outcome" role="status">
        {outcome}
      </span>
      <button
        type="button"
        title={says("csv_title", { most: number(MOST_ROWS) })}
        onClick={() => {
          if (taken.peek() === null) void take();
          else stop.current?.abort();
        }}
      >
        {taken.value === null ? says("csv_all") : says("csv_busy", { n: number(taken.value) })}
      </button>
    </>
  );
}

function save(rows: readonly Print[], filter: Filter, cut: string | null): void {
  const set = Object.entries(filter).flatMap(([name, value]) => (value ? [`${name} ${value}`] : []));
  const origin: Origin = {
    title: says("all"),
    symbol: filter.symbol ?? words("all"),
    tags: [words("observed"), dataWord(standing.peek().data)].filter((tag) => tag !== null),
    asOf: iso(rows[0]?.time_ms),
  };
  const name = `liquidations-${filter.symbol ?? "all"}`;
  saveCsv(sheetOf(rows, name, [`filter: ${set.join(", ") || "none"}`, ...(cut === null ? [] : [cut])]), origin);
}

const when = (ms: number): string => datetime(ms).slice(5);

function Line({ row, isNamed }: { row: Print; isNamed: boolean }) {
  return (
    <tr>
      <td class="mono" title={datetime(row.time_ms)}>
        {when(row.time_ms)}
      </td>
      <td>{venue(row.venue)}</td>
      {isNamed ? <td class="mono wide">{row.symbol}</td> : null}
      <td>
        <Side side={row.side} />
      </td>
      <td class="number" title={row.price_is === "bankruptcy" ? says("bankruptcy") : undefined}>
        {price(row.price)}
        {row.price_is === "bankruptcy" ? <sup class="dim">b</sup> : null}
      </td>
      <td class="number wide">{number(row.size, row.size < 1 ? 4 : row.size < 100 ? 3 : 1)}</td>
      <td class="number strong" title={usdWhole(row.usd)}>
        {usd(row.usd)}
      </td>
      <td class="number dim wide" title={says("lpi_title")}>
        {row.lpi === null ? UNKNOWN : number(row.lpi)}
      </td>
      <td class="dim wide">{says(row.completeness)}</td>
    </tr>
  );
}

/** Rows under their heads. */
export function Prints({ rows, title }: { rows: readonly Print[]; title: string }) {
  const isNamed = new Set(rows.map((row) => coinOf(row.instrument))).size > 1;
  const heads: readonly [string, string][] = [
    [zoneName(), ""],
    [words("venue"), ""],
    ...(isNamed ? ([[says("instrument"), "wide"]] as [string, string][]) : []),
    [words("side"), ""],
    [words("price"), "number"],
    [says("size"), "number wide"],
    [words("usd"), "number"],
    [says("lpi"), "number wide"],
    [says("told"), "wide"],
  ];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="table-frame prints" tabIndex={0}>
      <table>
        <caption class="unseen">{title}</caption>
        <thead>
          <tr>
            {heads.map(([label, name]) => (
              <th key={label} scope="col" class={name}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, n) => (
            <Line key={`${row.time_ms}${row.instrument}${row.side}${row.size}${n}`} row={row} isNamed={isNamed} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Pages({ next, before }: { next: string | null; before: Signal<string[]> }) {
  return (
    <div class="turns">
      <button
        type="button"
        disabled={cursor.value === ""}
        onClick={() => {
          before.value = [];
          cursor.value = "";
        }}
      >
        « {says("newest")}
      </button>
      <button
        type="button"
        disabled={cursor.value === "" || before.value.length === 0}
        onClick={() => {
          cursor.value = before.value.at(-1) ?? "";
          before.value = before.value.slice(0, -1);
        }}
      >
        ‹ {says("newer")}
      </button>
      <span class="dim">
        {cursor.value === "" || before.value.length ? says("page", { n: before.value.length + 1 }) : ""}
      </span>
      <button
        type="button"
        disabled={next === null}
        onClick={() => {
          before.value = [...before.value, cursor.value];
          cursor.value = next ?? "";
        }}
      >
        {says("older")} ›
      </button>
    </div>
  );
}

/** See above. */
export function RowsPanel() {
  useNewestFirst();
  const before = useSignal<string[]>([]);
  const isFixed = cursor.value !== "";
  const answer = useAnswer(
    "/api/v1/liquidations",
    queryOf(filterNow(), PAGE, cursor.value || null),
    isFixed ? {} : { everyMs: EVERY_MS },
  );
  const venues = useComputed(() => standing.value.venues.map((one) => one.venue).join(" "));
  const body = answer.value.body;
  if (cursor.value === "" && before.peek().length) before.value = [];
  const told = () => (answer.peek().body ? sheetOf(answer.peek().body?.liquidations ?? [], "liquidations-page") : null);
  return (
    <Panel
      id="all-liquidations"
      title={says("all")}
      kind="observed"
      answer={answer}
      feeds={["liquidations"]}
      csv={told}
      controls={<TakeAll />}
      footer={<Pages next={body?.next ?? null} before={before} />}
    >
      <Filters venues={venues.value.split(" ").filter(Boolean)} />
      {body === null ? null : body.liquidations.length ? (
        <Prints rows={body.liquidations} title={says("all")} />
      ) : (
        <p class="dim none">{says("none_match")}</p>
      )}
    </Panel>
  );
}
