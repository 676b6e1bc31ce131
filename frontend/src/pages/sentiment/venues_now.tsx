import type { ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { coin } from "../../app/route";
import { venueColour } from "../../charts/venues";
import { type Answer, useAnswer } from "../../live/answers";
import type { Body } from "../../live/api";
import { marketNow, second } from "../../live/clock";
import type { MarketMembers, MarketRow } from "../../live/shapes";
import { useChannel } from "../../live/stream";
import { colours } from "../../theme/colours";
import type { Sheet } from "../../ui/export";
import { age, apr, funding, iso, percent, share, UNKNOWN, usd, venue } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Table } from "../../ui/table";
import { type SentimentBody, yearly } from "./figures";
import "./market.css";
import { says } from "./words";

function inDollars({ open_interest, mark }: MarketRow): number | null {
  return open_interest === null || mark === null ? null : open_interest * mark;
}

/** Rows of the contracts, the largest first; some venues tell the interval of funding with the contract alone. */
export function rowsOf(members: MarketMembers | null, hours: ReadonlyMap<string, number>): MarketRow[] {
  const rows = Object.values(members ?? {}).map((row) => ({
    ...row,
    funding_interval_h: row.funding_interval_h ?? hours.get(row.instrument) ?? null,
    open_interest_usd: row.open_interest_usd ?? inDollars(row),
  }));
  return rows.sort((a, b) => (b.open_interest_usd ?? 0) - (a.open_interest_usd ?? 0));
}

function venuesSheet(rows: readonly MarketRow[]): Sheet {
  return {
    name: `funding-${coin.peek()}`,
    columns: [
      "venue",
      "instrument",
      "time",
      "funding_rate",
      "interval_h",
      "apr",
      "next_funding",
      "open_interest",
      "open_interest_usd",
      "mark",
      "index",
    ],
    rows: rows.map((row) => {
      const perYear =
        row.funding_rate === null || !row.funding_interval_h
          ? null
          : (row.funding_rate * 8_760) / row.funding_interval_h;
      return [
        row.venue,
        row.instrument,
        iso(row.time_ms),
        row.funding_rate,
        row.funding_interval_h,
        perYear,
        iso(row.next_funding_ms),
        row.open_interest,
        row.open_interest_usd,
        row.mark,
        row.index,
      ];
    }),
    notes: ["OBSERVED"],
  };
}

function intervalsOf(body: Body<"/api/v1/symbols"> | null): Map<string, number> {
  const contracts = body?.coins.flatMap((one) => one.contracts) ?? [];
  return new Map(
    contracts.flatMap((one) => (one.funding_interval_h === null ? [] : [[one.id, one.funding_interval_h]])),
  );
}

/** Funding per 8 h and as a yearly rate, next payment and open interest of each venue, as they are now. */
export function VenuesPanel({ answer }: { answer: ReadonlySignal<Answer<SentimentBody>> }) {
  const channel = useChannel<MarketMembers>(`market:${coin.value}`);
  const symbols = useAnswer("/api/v1/symbols", { symbols: [coin.value] });
  const hours = useMemo(() => intervalsOf(symbols.value.body), [symbols.value.body]);
  const rows = rowsOf(channel.value.data, hours);
  const all = rows.reduce((sum, row) => sum + (row.open_interest_usd ?? 0), 0);
  const pooled = answer.value.body?.figures.find((figure) => figure.name === "funding")?.level ?? null;
  return (
    <Panel
      id="funding-venues"
      title={says("venues_now")}
      kind="observed"
      answer={channel}
      asOfMs={rows.length === 0 ? null : Math.max(...rows.map((row) => row.time_ms))}
      empty={channel.value.data !== null && rows.length === 0}
      expectedMs={5_000}
      csv={() => venuesSheet(rowsOf(channel.peek().data, hours))}
      table={() => venuesSheet(rowsOf(channel.peek().data, hours))}
    >
      <p class="venues-all">
        <span>
          {says("funding_8h")} <b class="num">{funding(pooled)}</b>{" "}
          <span class="dim num">
            {pooled === null ? "" : `≈ ${percent(100 * yearly(pooled), 1)} ${says("funding_apr")}`}
          </span>
        </span>
        <span>
          {says("open_interest")} <b class="num">{usd(all || null)}</b>
        </span>
      </p>
      <Table
        caption={says("venues_now")}
        rows={rows}
        rowKey={(row) => row.instrument}
        columns={[
          { key: "venue", label: says("venue"), show: (row) => <VenueName row={row} />, by: (row) => row.venue },
          { key: "funding", label: says("funding_8h"), show: (row) => funding(per8h(row)), by: per8h, isNumber: true },
          {
            key: "apr",
            label: says("funding_apr"),
            show: (row) => (
              <span title={says("interval_h", { hours: row.funding_interval_h ?? UNKNOWN })}>
                {apr(row.funding_rate, row.funding_interval_h).replace(" APR", "")}
              </span>
            ),
            by: per8h,
            isNumber: true,
          },
          {
            key: "next",
            label: says("next_funding"),
            show: (row) => <Next at={row.next_funding_ms} />,
            isNumber: true,
          },
          {
            key: "oi",
            label: says("open_interest"),
            show: (row) => <Interest row={row} all={all} />,
            by: (row) => row.open_interest_usd,
            isNumber: true,
          },
        ]}
      />
    </Panel>
  );
}

function VenueName({ row }: { row: MarketRow }) {
  return (
    <span class="venue-name">
      <span class="dot" aria-hidden="true" style={{ background: venueColour(row.venue, colours.value) }} />
      {venue(row.venue)}
    </span>
  );
}

/** The rate as if it were paid every 8 hours. */
function per8h(row: MarketRow): number | null {
  if (row.funding_rate === null || !row.funding_interval_h) return null;
  return (row.funding_rate * 8) / row.funding_interval_h;
}

function Interest({ row, all }: { row: MarketRow; all: number }) {
  const part = all > 0 && row.open_interest_usd !== null ? row.open_interest_usd / all : null;
  return (
    <>
      {usd(row.open_interest_usd)} <span class="dim">{share(part, 0)}</span>
    </>
  );
}

function Next({ at }: { at: number | null }) {
  second.value;
  return <span>{at === null ? UNKNOWN : age(Math.max(0, at - marketNow()))}</span>;
}
