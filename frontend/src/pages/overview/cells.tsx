/** Cells of the table of coins, which the cards of one coin use too. */
import { Spark } from "../../charts/spark";
import { colours } from "../../theme/colours";
import { about, clockZoned, number, percent, price, signed, UNKNOWN, usd, usdWhole } from "../../ui/format";
import { words } from "../../words/vocabulary";
import { isComing, type OverviewRow } from "./live";
import { says } from "./words";

type Liquidated = NonNullable<OverviewRow["liquidated"]>;
type Amount = Liquidated["h1"]["long"];
const MOODS: Record<string, "extreme_fear" | "fear" | "neutral" | "greed" | "extreme_greed"> = {
  "extreme fear": "extreme_fear",
  fear: "fear",
  neutral: "neutral",
  greed: "greed",
  "extreme greed": "extreme_greed",
};

/** Up is a long's, down a short's: a rising price is in the colour of longs. */
export const signClass = (value: number | null): string => (!value ? "dim" : value > 0 ? "long" : "short");
export const moodWord = (label: string | null): string => {
  const known = label === null ? undefined : MOODS[label];
  return known ? says(known) : (label ?? UNKNOWN);
};

/** Why a figure is not there, of those the server names. */
export function missing(row: OverviewRow, name: string): string {
  const note = row.notes.find((one) => one.startsWith(`${name}:`));
  if (note === undefined) return words("unknown");
  return isComing(note) ? says("reckoning") : note.slice(name.length + 2);
}

/** A change as a fraction; where it is not known, since when there is any history. */
export function Change({ value, sinceMs }: { value: number | null; sinceMs: number | null | undefined }) {
  const title = value === null && sinceMs != null ? says("too_short", { at: clockZoned(sinceMs) }) : undefined;
  return (
    <span class={signClass(value)} title={title}>
      {value === null ? UNKNOWN : percent(100 * value)}
    </span>
  );
}

/** The last day in a line. */
export function DayLine({ row, height = 28 }: { row: OverviewRow; height?: number }) {
  const closes = row.price?.closes ?? [];
  if (closes.length < 2) return <span class="dim">{UNKNOWN}</span>;
  const change = row.price?.change_24h ?? (closes.at(-1)?.[1] ?? 0) / (closes[0]?.[1] ?? 1) - 1;
  const palette = colours.value;
  return (
    <Spark
      label={says("spark", { coin: row.coin, change: percent(100 * change) })}
      points={closes}
      colour={change >= 0 ? palette.long : palette.short}
      widestMs={5_400_000}
      height={height}
    />
  );
}

/** Where the price stands between the low and the high of the day. */
export function Range({ row }: { row: OverviewRow }) {
  const told = row.price;
  if (!told || told.high_24h == null || told.low_24h == null) return <span class="dim">{UNKNOWN}</span>;
  const room = told.high_24h - told.low_24h;
  const at = room > 0 ? Math.min(1, Math.max(0, (told.price - told.low_24h) / room)) : 0.5;
  const label = says("range_title", { low: price(told.low_24h), high: price(told.high_24h) });
  return (
    <svg class="range" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={label}>
      <title>{label}</title>
      <rect x="0" y="4" width="100" height="2" class="rail" />
      <rect x={at * 96} y="0" width="4" height="10" class="mark" />
    </svg>
  );
}

/** The most dollars of a window in any row: what the bars are measured by. */
export function mostOf(rows: readonly OverviewRow[], window: "h1" | "h24"): number {
  const all = rows.flatMap((row) => {
    const told = row.liquidated?.[window];
    return told ? [told.long, told.short].map((one) => one.estimated_usd ?? one.observed_usd) : [];
  });
  return Math.max(1, ...all);
}

/** One side: observed filled, what is estimated beyond it as an outline, the 5–95 % interval as a whisker. */
export function SideBar({ amount, side, most }: { amount: Amount; side: "long" | "short"; most: number }) {
  const share = (value: number): number => Math.min(100, (100 * Math.max(0, value)) / most);
  const estimated = amount.estimated_usd ?? amount.observed_usd;
  const title = says("liq_title", {
    side: words(`${side}s`),
    observed: usdWhole(amount.observed_usd),
    estimate: about(amount.estimated_usd),
    low: usd(amount.low_usd),
    high: usd(amount.high_usd),
  });
  return (
    <span class={`side-bar ${side}`} title={title}>
      <span class="amount">
        <span aria-hidden="true">{side === "long" ? "▼" : "▲"}</span>
        <span class="unseen">{words(side)}</span> {usd(amount.observed_usd)}
      </span>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="estimate" x="0" y="1" width={share(estimated)} height="6" />
        <rect class="seen" x="0" y="1" width={share(amount.observed_usd)} height="6" />
        {amount.high_usd !== null && amount.estimated_usd !== null ? (
          <path class="whisker" d={`M${share(amount.low_usd)} 4H${share(amount.high_usd)}`} />
        ) : null}
      </svg>
    </span>
  );
}

/** Longs and shorts of a window. */
export function Liquidated({ row, window, most }: { row: OverviewRow; window: "h1" | "h24"; most: number }) {
  const told = row.liquidated?.[window];
  if (!told) return <Unknown row={row} name="liquidated" />;
  return (
    <span class="side-bars">
      <SideBar amount={told.long} side="long" most={most} />
      <SideBar amount={told.short} side="short" most={most} />
    </span>
  );
}

/** A dash that says why. */
export function Unknown({ row, name }: { row: OverviewRow; name: string }) {
  const why = missing(row, name);
  return (
    <span class="dim" title={why}>
      {UNKNOWN}
    </span>
  );
}

const LEANS = { UP: ["▲", "up", "short"], DOWN: ["▼", "down", "long"], UNBIASED: ["◆", "even", "dim"] } as const;

/** Which way the map leans, on a scale from −1 to +1. */
export function Pull({ row }: { row: OverviewRow }) {
  const told = row.pull;
  if (!told) return <Unknown row={row} name="pull" />;
  const [glyph, word, cls] = LEANS[told.bias];
  const at = 50 + 50 * Math.max(-1, Math.min(1, told.balance));
  return (
    <span class="lean" title={says("balance_title", { value: signed(told.balance) })}>
      <span class={`nowrap ${cls}`}>
        {glyph} {signed(told.balance)} <span class="word">{says(word)}</span>
      </span>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="rail" x="0" y="2" width="100" height="2" />
        <rect
          class={told.balance >= 0 ? "up" : "down"}
          x={Math.min(50, at)}
          y="1"
          width={Math.abs(at - 50)}
          height="4"
        />
        <rect class="mark" x="49.5" y="0" width="1" height="6" />
      </svg>
    </span>
  );
}

/** The index on its scale, with its word. */
export function Mood({ row }: { row: OverviewRow }) {
  const told = row.sentiment;
  if (told?.index == null) return <Unknown row={row} name="sentiment" />;
  return (
    <span class="lean" title={says("mood_title")}>
      <span class="nowrap">
        <b>{number(told.index)}</b> <span class="dim">{moodWord(told.label)}</span>
      </span>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="rail" x="0" y="2" width="100" height="2" />
        <rect class="mark wide" x={told.index * 0.98} y="0" width="2" height="6" />
      </svg>
    </span>
  );
}
