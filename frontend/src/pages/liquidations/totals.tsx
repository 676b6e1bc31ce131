/** What was liquidated, venue by venue and side by side: published, and what it is a sample of. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import { coin, parameter } from "../../app/route";
import type { Answer } from "../../live/answers";
import type { Body } from "../../live/api";
import { coinOf } from "../../live/quote";
import type { Sheet } from "../../ui/export";
import { about, number, share, UNKNOWN, usd, usdWhole, venue } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Segments } from "../../ui/picker";
import { KindTag, Side } from "../../ui/tag";
import { words } from "../../words/vocabulary";
import { says } from "./words";

export type TotalsBody = Body<"/api/v1/liquidations/24h">;
type Sides = NonNullable<TotalsBody["total"]>;
type Amount = Sides["long"];

export const WINDOWS = ["1", "4", "24", "168"] as const;
/** Hours of the totals, in the address. */
export const hours: Signal<string> = parameter("hours", "24");
/** `coin` = the chosen one; `all`. */
export const scope: Signal<string> = parameter("of", "coin");
/** The symbol that is asked about. */
export const symbolOf = (): string => (scope.value === "all" ? "ALL" : coin.value);
export const hoursOf = (): number => Number(WINDOWS.find((one) => one === hours.value) ?? "24");

/** Which window, and of which coins. */
export function Chosen() {
  return (
    <>
      <Segments
        label={says("of")}
        value={scope}
        choices={[
          { value: "coin", label: coin.value.includes("-") ? coin.value : coinOf(coin.value) },
          { value: "all", label: says("every_coin") },
        ]}
      />
      <Segments
        label={says("window")}
        value={hours}
        choices={WINDOWS.map((value) => ({
          value,
          label: Number(value) > 24 ? says("days", { n: Number(value) / 24 }) : says("hours", { n: value }),
        }))}
      />
    </>
  );
}

/** Published filled, estimated beyond it as an outline, 5–95 % as a whisker. */
function Bar({ amount, side, most, title }: { amount: Amount; side: "long" | "short"; most: number; title: string }) {
  const x = (value: number): number => (400 * value) / most;
  const seen = x(amount.observed_usd);
  const high = amount.high_usd ?? most;
  return (
    <svg class={`compare ${side}`} viewBox="0 0 404 18" preserveAspectRatio="none" role="img" aria-label={title}>
      <title>{title}</title>
      {amount.estimated_usd === null ? null : (
        <rect class="estimate" x="0.5" y="4" width={Math.max(0, x(amount.estimated_usd))} height="10" />
      )}
      <rect class="seen" x="0" y="4" width={amount.observed_usd > 0 ? Math.max(1.5, seen) : 0} height="10" />
      {amount.estimated_usd === null || high <= amount.low_usd ? null : (
        <path
          class="whisker"
          d={`M${x(amount.low_usd)} 9H${x(high)}M${x(amount.low_usd)} 5V13${amount.high_usd === null ? "" : `M${x(high)} 5V13`}`}
        />
      )}
    </svg>
  );
}

const interval = (amount: Amount): string =>
  amount.estimated_usd === null
    ? UNKNOWN
    : `${usd(amount.low_usd)} – ${amount.high_usd === null ? says("unbounded") : usd(amount.high_usd)}`;

function SideRow({ name, sides, side, most }: { name: string; sides: Sides; side: "long" | "short"; most: number }) {
  const amount = sides[side];
  const marks = [amount.is_scaled ? says("scaled") : "", amount.is_saturated ? says("saturated") : ""].filter(Boolean);
  const title = says("bar_title", {
    side: words(`${side}s`),
    venue: name,
    observed: usdWhole(amount.observed_usd),
    estimate: about(amount.estimated_usd),
    low: usd(amount.low_usd),
    high: amount.high_usd === null ? says("unbounded") : usd(amount.high_usd),
  });
  return (
    <>
      <td>
        <Side side={side} />
      </td>
      <td class="number strong" title={usdWhole(amount.observed_usd)}>
        {usd(amount.observed_usd)}
      </td>
      <td class="number" title={amount.estimated_usd === null ? says("nothing_more") : usdWhole(amount.estimated_usd)}>
        {about(amount.estimated_usd)}
        {marks.length ? <sup title={marks.join(". ")}>{amount.is_saturated ? "!" : "×"}</sup> : null}
      </td>
      <td class="number dim wide">{interval(amount)}</td>
      <td class="bar">
        <Bar amount={amount} side={side} most={most} title={title} />
      </td>
      <td class="number dim">{number(amount.observed_events)}</td>
    </>
  );
}

interface VenueRow {
  name: string;
  note: string;
  sides: Sides;
  isTotal: boolean;
}

function Rows({ one, most }: { one: VenueRow; most: number }) {
  return (
    <tbody class={one.isTotal ? "total" : ""}>
      <tr>
        <th scope="rowgroup" rowSpan={2}>
          {one.name}
          <span class="dim">{one.note}</span>
        </th>
        <SideRow name={one.name} sides={one.sides} side="long" most={most} />
        <td class="number" rowSpan={2}>
          {share(one.sides.both.covered)}
        </td>
      </tr>
      <tr>
        <SideRow name={one.name} sides={one.sides} side="short" most={most} />
      </tr>
    </tbody>
  );
}

function rowsOf(body: TotalsBody): VenueRow[] {
  const sum = (sides: Sides): number => sides.both.estimated_usd ?? sides.both.observed_usd;
  const venues = [...body.by_venue]
    .sort((a, b) => sum(b.sides) - sum(a.sides))
    .map((one) => ({ name: venue(one.venue), note: says(one.completeness), sides: one.sides, isTotal: false }));
  return body.total ? [{ name: says("total"), note: "", sides: body.total, isTotal: true }, ...venues] : venues;
}

const mostIn = (rows: readonly VenueRow[]): number =>
  Math.max(
    1,
    ...rows.flatMap(({ sides }) =>
      [sides.long, sides.short].map((one) => Math.max(one.high_usd ?? 0, one.estimated_usd ?? 0, one.observed_usd)),
    ),
  );

function sheet(body: TotalsBody | null): Sheet {
  const told = [
    ...(body?.total ? [["all", body.total] as const] : []),
    ...(body?.by_venue ?? []).map((one) => [one.venue, one.sides] as const),
  ];
  return {
    name: `liquidated-${symbolOf()}-${hoursOf()}h`,
    columns: [
      ...["venue", "side", "observed_usd", "observed_events", "estimated_usd", "estimated_events"],
      ...["low_usd", "high_usd", "covered", "is_scaled", "is_saturated"],
    ],
    rows: told.flatMap(([name, sides]) =>
      (["long", "short", "both"] as const).map((side) => {
        const one = sides[side];
        return [
          ...[name, side, one.observed_usd, one.observed_events, one.estimated_usd, one.estimated_events],
          ...[one.low_usd, one.high_usd, one.covered, String(one.is_scaled), String(one.is_saturated)],
        ];
      }),
    ),
    notes: ["observed: OBSERVED, a floor; estimated, low, high (5 %, 95 %): MODEL", ...(body?.meta.notes ?? [])],
  };
}

/** What is published, estimated and missing, in a sentence. */
function sentence(both: Amount): string {
  const told = says("told_seen", { observed: usd(both.observed_usd), n: number(both.observed_events) });
  if (both.estimated_usd === null) return `${told} ${says("nothing_more")}.`;
  const high = both.high_usd === null ? says("unbounded") : usd(both.high_usd);
  return `${told} ${says("told_more", { estimate: about(both.estimated_usd), low: usd(both.low_usd), high })}`;
}

/** See above. */
export function TotalsPanel({ answer }: { answer: ReadonlySignal<Answer<TotalsBody>> }) {
  const body = answer.value.body;
  const rows = body ? rowsOf(body) : [];
  const most = mostIn(rows.filter((one) => !one.isTotal));
  return (
    <Panel
      id="totals"
      title={says("totals")}
      kind={null}
      answer={answer}
      feeds={["liquidations"]}
      csv={() => sheet(answer.peek().body)}
      table={() => sheet(answer.peek().body)}
      controls={<Chosen />}
      footer={body?.total ? sentence(body.total.both) : undefined}
    >
      {rows.length === 0 ? (
        <p class="dim none">{body ? says("none") : null}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <section class="table-frame venue-totals" tabIndex={0}>
          <table>
            <caption class="unseen">{says("totals")}</caption>
            <thead>
              <tr>
                <th scope="col">{words("venue")}</th>
                <th scope="col">{words("side")}</th>
                <th scope="col" class="number">
                  {says("observed_usd")} <KindTag kind="observed" />
                </th>
                <th scope="col" class="number">
                  {says("estimated_usd")} <KindTag kind="model" />
                </th>
                <th scope="col" class="number wide">
                  {says("interval")}
                </th>
                <th scope="col" class="bar">
                  {says("compared")}
                </th>
                <th scope="col" class="number">
                  {says("events")}
                </th>
                <th scope="col" class="number">
                  {says("seen")}
                </th>
              </tr>
            </thead>
            {rows.map((one) => (
              <Rows key={one.name} one={one} most={one.isTotal ? mostIn([one]) : most} />
            ))}
          </table>
        </section>
      )}
    </Panel>
  );
}
