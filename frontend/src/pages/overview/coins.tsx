/** Every coin in one row; on a narrow page one card each. */
import { type ReadonlySignal, type Signal, useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { go, href, parameter } from "../../app/route";
import type { Answer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { apr, funding, price, usd, venue } from "../../ui/format";
import { Lamp, type LampState } from "../../ui/lamp";
import { Panel } from "../../ui/panel";
import { KindTag } from "../../ui/tag";
import { words } from "../../words/vocabulary";
import { Change, DayLine, Liquidated, Mood, mostOf, Pull, Range } from "./cells";
import { changeOf, fundingOf, interestOf, type Live, type OverviewBody, type OverviewRow, priceOf } from "./live";
import { type OrderName, pressed, shownRows } from "./order";
import { says } from "./words";

const order: Signal<string> = parameter("sort", "-oi");
const wanted: Signal<string> = parameter("filter", "");

interface Shown {
  row: OverviewRow;
  live: ReadonlySignal<Live>;
}

/** A text of a row that follows the stream on its own. */
function useText(shown: Shown, make: (row: OverviewRow, live: Live) => string): ReadonlySignal<string> {
  const row = useSignal(shown.row);
  row.value = shown.row;
  return useComputed(() => make(row.value, shown.live.value));
}

function Price(shown: Shown) {
  return <>{useText(shown, (row, live) => price(priceOf(row, live)))}</>;
}

function LiveChange({ hours, ...shown }: Shown & { hours: 1 | 24 }) {
  const rounded = useText(shown, (row, live) => {
    const value = changeOf(row, live, hours);
    return value === null ? "" : value.toFixed(4);
  });
  const value = rounded.value === "" ? null : Number(rounded.value);
  return <Change value={value} sinceMs={shown.row.price?.since_ms} />;
}

function Interest(shown: Shown) {
  return <>{useText(shown, (row, live) => usd(interestOf(row, live)))}</>;
}

function Funding(shown: Shown) {
  const rate = useText(shown, (row, live) => funding(fundingOf(row, live)?.rate));
  const title = useText(shown, (row, live) => {
    const told = fundingOf(row, live);
    if (!told) return "";
    const range = says("funding_row", {
      low: funding(told.low),
      high: funding(told.high),
      n: row.funding?.venues.length ?? 0,
    });
    return `${says("apr", { apr: apr(told.rate, 8) })} · ${range}`;
  });
  return <span title={title}>{rate}</span>;
}

function Venues({ row }: { row: OverviewRow }) {
  const late = row.venues.filter((one) => one.state !== "live" && one.state !== "replay");
  const title = row.venues.map((one) => `${venue(one.venue)}: ${one.state}`).join("\n");
  return (
    <span class="nowrap" title={title}>
      <Lamp state={(late[0]?.state ?? row.venues[0]?.state ?? "none") as LampState} withWord={false} />{" "}
      {row.venues.length - late.length}
      <span class="dim">/{row.venues.length}</span>
    </span>
  );
}

interface Column {
  key: string;
  label: () => string;
  sorts?: OrderName;
  isNumber?: boolean;
  isModel?: boolean;
  show: (shown: Shown, most: { h1: number; h24: number }) => ComponentChildren;
}

const COLUMNS: readonly Column[] = [
  { key: "price", label: () => says("price"), sorts: "price", isNumber: true, show: (one) => <Price {...one} /> },
  {
    key: "h1",
    label: () => says("change_1h"),
    sorts: "h1",
    isNumber: true,
    show: (one) => <LiveChange {...one} hours={1} />,
  },
  {
    key: "h24",
    label: () => says("change_24h"),
    sorts: "h24",
    isNumber: true,
    show: (one) => <LiveChange {...one} hours={24} />,
  },
  {
    key: "day",
    label: () => says("day"),
    show: ({ row }) => (
      <span class="day">
        <DayLine row={row} />
        <Range row={row} />
      </span>
    ),
  },
  { key: "oi", label: () => says("oi"), sorts: "oi", isNumber: true, show: (one) => <Interest {...one} /> },
  {
    key: "oi24",
    label: () => says("oi_24h"),
    sorts: "oi24",
    isNumber: true,
    show: ({ row }) => <Change value={row.open_interest?.change_24h ?? null} sinceMs={row.price?.since_ms} />,
  },
  {
    key: "funding",
    label: () => says("funding"),
    sorts: "funding",
    isNumber: true,
    show: (one) => <Funding {...one} />,
  },
  {
    key: "liq1",
    label: () => says("liq_1h"),
    sorts: "liq1",
    show: ({ row }, most) => <Liquidated row={row} window="h1" most={most.h1} />,
  },
  {
    key: "liq24",
    label: () => says("liq_24h"),
    sorts: "liq24",
    show: ({ row }, most) => <Liquidated row={row} window="h24" most={most.h24} />,
  },
  { key: "pull", label: () => says("pull"), sorts: "pull", isModel: true, show: ({ row }) => <Pull row={row} /> },
  { key: "mood", label: () => says("mood"), sorts: "mood", isModel: true, show: ({ row }) => <Mood row={row} /> },
  { key: "venues", label: () => says("venues"), isNumber: true, show: ({ row }) => <Venues row={row} /> },
];

function CoinLink({ coin }: { coin: string }) {
  return (
    <a
      class="coin"
      href={href("map", { coin })}
      onClick={(event) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        event.stopPropagation();
        go("map", { coin });
      }}
    >
      {coin}
    </a>
  );
}

function Head({
  name,
  label,
  isNumber,
  isModel,
}: {
  name: OrderName | undefined;
  label: string;
  isNumber?: boolean | undefined;
  isModel?: boolean | undefined;
}) {
  const isDown = order.value === `-${name}`;
  const isUp = order.value === name;
  const sort = isDown ? "descending" : isUp ? "ascending" : undefined;
  return (
    <th scope="col" class={isNumber ? "number" : ""} aria-sort={sort}>
      {name === undefined ? (
        label
      ) : (
        <button
          type="button"
          class="sort"
          aria-label={words("sort", { column: label })}
          onClick={() => {
            order.value = pressed(order.value, name);
          }}
        >
          {label}
          <span aria-hidden="true">{isDown ? " ▾" : isUp ? " ▴" : ""}</span>
        </button>
      )}
      {isModel ? <KindTag kind="model" /> : null}
    </th>
  );
}

function CoinTable({ rows, live }: { rows: readonly OverviewRow[]; live: ReadonlySignal<Live> }) {
  const most = useMemo(() => ({ h1: mostOf(rows, "h1"), h24: mostOf(rows, "h24") }), [rows]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="table-frame coin-table" tabIndex={0}>
      <table>
        <caption class="unseen">{says("coins")}</caption>
        <thead>
          <tr>
            <Head name="coin" label={words("coin")} />
            {COLUMNS.map((one) => (
              <Head key={one.key} name={one.sorts} label={one.label()} isNumber={one.isNumber} isModel={one.isModel} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.coin} class="pressable" data-coin={row.coin} onClick={() => go("map", { coin: row.coin })}>
              <th scope="row">
                <CoinLink coin={row.coin} />
              </th>
              {COLUMNS.map((one) => (
                <td key={one.key} class={`${one.isNumber ? "number" : ""} of-${one.key}`}>
                  {one.show({ row, live }, most)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function CoinCard({ row, live, most }: Shown & { most: { h1: number; h24: number } }) {
  return (
    <li class="coin-card" data-coin={row.coin}>
      <div class="coin-top">
        <CoinLink coin={row.coin} />
        <span class="number price">
          <Price row={row} live={live} />
        </span>
        <LiveChange row={row} live={live} hours={24} />
        <span class="line">
          <DayLine row={row} />
        </span>
      </div>
      <dl>
        {COLUMNS.filter((one) => !["price", "h24", "day", "liq1", "venues"].includes(one.key)).map((one) => (
          <div key={one.key} class={`of-${one.key}`}>
            <dt>
              {one.label()} {one.isModel ? <KindTag kind="model" /> : null}
            </dt>
            <dd>{one.show({ row, live }, most)}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}

function Sorting() {
  const sortable = [{ sorts: "coin" as OrderName, label: () => words("coin") }, ...COLUMNS];
  return (
    <label class="picker sorting">
      <span class="unseen">{says("sort_by")}</span>
      <select
        value={order.value}
        onChange={(event) => {
          order.value = event.currentTarget.value;
        }}
      >
        {sortable.flatMap(({ sorts, label }) =>
          sorts === undefined
            ? []
            : [`-${sorts}`, sorts].map((value) => (
                <option key={value} value={value}>
                  {label()} {value.startsWith("-") ? "▾" : "▴"}
                </option>
              )),
        )}
      </select>
    </label>
  );
}

function sheet(rows: readonly OverviewRow[]): Sheet {
  const sides = (told: NonNullable<OverviewRow["liquidated"]>["h1"] | undefined) =>
    [told?.long, told?.short].flatMap((one) =>
      one ? [one.observed_usd, one.estimated_usd, one.low_usd, one.high_usd] : [null, null, null, null],
    );
  const names = ["1h", "24h"].flatMap((window) =>
    ["long", "short"].flatMap((side) =>
      ["observed", "estimated", "low", "high"].map((what) => `${side}_${window}_${what}_usd`),
    ),
  );
  return {
    name: "overview",
    columns: [
      ...["coin", "instrument", "price", "change_1h", "change_24h", "high_24h", "low_24h", "since_ms"],
      ...["open_interest_usd", "open_interest_change_24h", "funding_8h", "funding_low_8h", "funding_high_8h"],
      ...names,
      ...["sentiment", "sentiment_label", "pull_bias", "pull_balance", "cluster_long", "cluster_short", "notes"],
    ],
    rows: rows.map((row) => [
      ...[row.coin, row.price?.instrument ?? null, row.price?.price ?? null, row.price?.change_1h ?? null],
      ...[row.price?.change_24h ?? null, row.price?.high_24h ?? null, row.price?.low_24h ?? null],
      ...[row.price?.since_ms ?? null, row.open_interest?.usd ?? null, row.open_interest?.change_24h ?? null],
      ...[row.funding?.rate_8h ?? null, row.funding?.low_8h ?? null, row.funding?.high_8h ?? null],
      ...sides(row.liquidated?.h1),
      ...sides(row.liquidated?.h24),
      ...[row.sentiment?.index ?? null, row.sentiment?.label ?? null, row.pull?.bias ?? null],
      ...[row.pull?.balance ?? null, row.pull?.long?.price ?? null, row.pull?.short?.price ?? null],
      row.notes.join("; "),
    ]),
    notes: ["changes, funding: fractions", "estimated, sentiment, pull: MODEL; the rest OBSERVED"],
  };
}

/** Whether the page is too narrow for a table. */
function useNarrow(): ReadonlySignal<boolean> {
  const query = useMemo(() => matchMedia("(max-width: 760px)"), []);
  const isNarrow = useSignal(query.matches);
  useEffect(() => {
    const look = (): void => {
      isNarrow.value = query.matches;
    };
    query.addEventListener("change", look);
    return () => query.removeEventListener("change", look);
  }, [query]);
  return isNarrow;
}

/** See above. */
export function CoinsPanel({
  answer,
  live,
}: {
  answer: ReadonlySignal<Answer<OverviewBody>>;
  live: ReadonlySignal<Live>;
}) {
  const isNarrow = useNarrow();
  const all = answer.value.body?.coins ?? [];
  const rows = shownRows(all, order.value, wanted.value);
  const most = { h1: mostOf(rows, "h1"), h24: mostOf(rows, "h24") };
  const made = (): Sheet => sheet(shownRows(answer.peek().body?.coins ?? [], order.peek(), wanted.peek()));
  return (
    <Panel
      id="coins"
      title={says("coins")}
      kind="observed"
      answer={answer}
      feeds={["mark_prices", "open_interest", "liquidations"]}
      empty={answer.value.body !== null && all.length === 0}
      csv={made}
      table={made}
      controls={
        <>
          <span class="dim counted">
            {rows.length < all.length ? says("shown", { n: rows.length, of: all.length }) : null}
          </span>
          <input
            type="search"
            class="filter"
            aria-label={says("filter")}
            placeholder={says("filter")}
            value={wanted.value}
            onInput={(event) => {
              wanted.value = event.currentTarget.value;
            }}
          />
          {isNarrow.value ? <Sorting /> : null}
        </>
      }
    >
      {rows.length === 0 ? (
        <p class="dim none">{wanted.value ? says("no_match", { text: wanted.value }) : null}</p>
      ) : isNarrow.value ? (
        <ul class="coin-cards">
          {rows.map((row) => (
            <CoinCard key={row.coin} row={row} live={live} most={most} />
          ))}
        </ul>
      ) : (
        <CoinTable rows={rows} live={live} />
      )}
    </Panel>
  );
}
