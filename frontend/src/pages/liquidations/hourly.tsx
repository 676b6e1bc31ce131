/** Liquidated by the hour: longs below, shorts above, what was published filled, what it is a sample of as an outline. */
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { type Bar, type BarSeries, Bars } from "../../charts/bars";
import type { Answer } from "../../live/answers";
import { colours } from "../../theme/colours";
import type { Sheet } from "../../ui/export";
import { iso, usd } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { KindTag } from "../../ui/tag";
import { hoursOf, symbolOf, type TotalsBody } from "./totals";
import { says } from "./words";

type Hour = TotalsBody["by_hour"][number];
type Amount = Hour["sides"]["long"];

const beyond = (amount: Amount): number | null =>
  amount.estimated_usd === null ? null : Math.max(0, amount.estimated_usd - amount.observed_usd);
const ends = (amount: Amount): readonly [number, number] | null =>
  amount.estimated_usd === null || amount.high_usd === null ? null : [amount.low_usd, amount.high_usd];

/** Columns of the chart: shorts published and beyond upwards, longs downwards. */
export function barsOf(found: readonly Hour[]): Bar[] {
  return found.map(({ from_ms, to_ms, sides: { long, short, both } }) => ({
    from: from_ms,
    to: to_ms,
    values: [short.observed_usd, beyond(short), long.observed_usd, beyond(long)],
    whiskers: { up: ends(short), down: ends(long) },
    seen: both.covered,
  }));
}

function sheet(body: TotalsBody | null): Sheet {
  const names = ["observed_usd", "estimated_usd", "low_usd", "high_usd"] as const;
  return {
    name: `liquidated-by-hour-${symbolOf()}-${hoursOf()}h`,
    columns: ["from", "to", ...["long", "short"].flatMap((side) => names.map((name) => `${side}_${name}`)), "covered"],
    rows: (body?.by_hour ?? []).map(({ from_ms, to_ms, sides }) => [
      ...[iso(from_ms), iso(to_ms)],
      ...[sides.long, sides.short].flatMap((one) => names.map((name) => one[name])),
      sides.both.covered,
    ]),
    notes: ["observed: OBSERVED, a floor; estimated, low, high (5 %, 95 %): MODEL"],
  };
}

/** See above. */
export function HourlyPanel({ answer }: { answer: ReadonlySignal<Answer<TotalsBody>> }) {
  const canvas = useSignal<HTMLCanvasElement | null>(null);
  const found = answer.value.body?.by_hour ?? [];
  const bars = useMemo(() => barsOf(found), [found]);
  const palette = colours.value;
  const series: readonly BarSeries[] = [
    { name: says("short_seen"), colour: palette.shortBar, direction: "up" },
    { name: says("short_more"), colour: palette.short, direction: "up", isHollow: true },
    { name: says("long_seen"), colour: palette.longBar, direction: "down" },
    { name: says("long_more"), colour: palette.long, direction: "down", isHollow: true },
  ];
  return (
    <Panel
      id="hourly"
      title={says("by_hour")}
      kind="observed"
      answer={answer}
      feeds={["liquidations"]}
      csv={() => sheet(answer.peek().body)}
      table={() => sheet(answer.peek().body)}
      png={() => canvas.peek()}
      controls={
        <span class="dim" title={says("longs_below")}>
          {says("outline")} <KindTag kind="model" />
        </span>
      }
    >
      <div class="hourly">
        {bars.length ? (
          <Bars
            label={says("longs_below")}
            series={series}
            bars={bars}
            format={usd}
            height={262}
            canvas={(made) => {
              canvas.value = made;
            }}
          />
        ) : (
          <p class="dim none">{answer.value.body ? says("none") : null}</p>
        )}
      </div>
    </Panel>
  );
}
