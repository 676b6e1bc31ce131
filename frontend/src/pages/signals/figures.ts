/** Signals as the page shows them: lamps of rules, live figures of candles, latencies. Pure; times are epoch ms. */
import type { Body } from "../../live/api";

export type SignalsBody = Body<"/api/v1/signals">;
export type SignalRow = SignalsBody["signals"][number];
export type Strategy = Body<"/api/v1/strategies">["strategies"][number];
export type Candle = Body<"/api/v1/candles">["candles"][number];
export type Lit = "met" | "failed" | "unknown";

/** What a rule is held against: a parameter by name, and what its figure is counted in. */
export interface Gauge {
  parameters: readonly string[];
  unit: "volume_of" | "sigma_of" | "of_book" | "bps_of" | "hourly_of" | "pull_of" | "chance_of";
  /** Its figure in a signal's `values`. */
  value: string;
}

export const GAUGES: Readonly<Record<string, Gauge>> = {
  "volume-burst": { parameters: ["volume"], unit: "volume_of", value: "volume" },
  "book-imbalance": { parameters: ["imbalance"], unit: "of_book", value: "imbalance" },
  momentum: { parameters: ["momentum"], unit: "sigma_of", value: "momentum" },
  "cluster-distance": { parameters: ["near", "far"], unit: "hourly_of", value: "distance" },
  pull: { parameters: ["pull"], unit: "pull_of", value: "pull" },
  edge: { parameters: ["edge_bps"], unit: "bps_of", value: "edge_bps" },
  probability: { parameters: ["probability"], unit: "chance_of", value: "probability" },
};

/** `≥ 3`, or `0.5 – 2` of two, as the strategy is configured. */
export function thresholdOf(strategy: Strategy, rule: string): string | null {
  const known = GAUGES[rule];
  const values = (known?.parameters ?? [])
    .map((name) => strategy.parameters.find((one) => one.name === name)?.value)
    .filter((value) => value !== undefined);
  if (values.length === 0) return null;
  return values.length === 1 ? `≥ ${values[0]}` : values.join(" – ");
}

/** A decision older than this says nothing of now, ms of market time: rules are asked once a minute. */
export const FRESH_MS = 90_000;

/** How a rule stands: by its figure now where that is known, else by a decision just made; else nothing is known. */
export function litNow(
  strategy: Strategy,
  rule: string,
  now: number | null,
  row: SignalRow | undefined,
  atMs: number,
  freshMs = FRESH_MS,
): Lit {
  const known = GAUGES[rule];
  const least = strategy.parameters.find((one) => one.name === known?.parameters[0])?.value;
  if (now !== null && least !== undefined) return Math.abs(now) >= least ? "met" : "failed";
  if (row === undefined || atMs - row.at_ms > freshMs) return "unknown";
  return row.failed.includes(rule) ? "failed" : "met";
}

/** A rule's figure at a decision just made; null where it was not told, or is old. */
export function toldNow(rule: string, row: SignalRow | undefined, atMs: number, freshMs = FRESH_MS): number | null {
  return row === undefined || atMs - row.at_ms > freshMs ? null : toldThen(rule, row);
}

const CANDLE_MS = 60_000;

/** The moment a lamp is as of: the close of the newest candle where candles tell the figure, else a decision's. */
export function seenMs(now: number | null, row: SignalRow | undefined, candles: readonly Candle[]): number | null {
  if (now === null) return row?.at_ms ?? null;
  return candles.length === 0 ? null : Math.max(...candles.map((one) => one.open_ms)) + CANDLE_MS;
}

/** A rule's figure at a decision, however long ago. */
export const toldThen = (rule: string, row: SignalRow | undefined): number | null =>
  row?.values[GAUGES[rule]?.value ?? ""] ?? null;

/** The newest decision of each strategy. */
export function newestOf(rows: readonly SignalRow[]): Map<string, SignalRow> {
  const found = new Map<string, SignalRow>();
  for (const row of rows) {
    const known = found.get(row.strategy);
    if (known === undefined || row.at_ms > known.at_ms) found.set(row.strategy, row);
  }
  return found;
}

/** Volume of the newest closed candle as a multiple of the mean of `bars` before it; null while too few are there. */
export function volumeMultiple(candles: readonly Candle[], bars: number): number | null {
  const rows = inOrder(candles);
  const last = rows.at(-1);
  const before = rows.slice(-bars - 1, -1).map((one) => one.volume);
  if (last === undefined || before.length < bars) return null;
  const mean = before.reduce((sum, value) => sum + value, 0) / bars;
  return mean > 0 ? last.volume / mean : null;
}

/** Return of the newest closed candle in standard deviations of the `bars` before; null while too few are there. */
export function momentumOf(candles: readonly Candle[], bars: number): number | null {
  const closes = inOrder(candles).map((one) => one.close);
  const returns = closes.slice(1).map((close, n) => close / (closes[n] ?? close) - 1);
  const before = returns.slice(-bars - 1, -1);
  const last = returns.at(-1);
  if (last === undefined || before.length < bars) return null;
  const mean = before.reduce((sum, value) => sum + value, 0) / bars;
  const deviation = Math.sqrt(before.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (bars - 1));
  return deviation > 0 ? last / deviation : null;
}

const inOrder = (candles: readonly Candle[]): Candle[] => [...candles].sort((a, b) => a.open_ms - b.open_ms);

export interface Latency {
  strategy: string;
  count: number;
  p50: number;
  p95: number;
  p99: number;
  most: number;
  /** Share of decisions within `BUDGET_MS`. */
  within: number;
  /** Decided more than three seconds after the close: told, and not traded. */
  late: number;
}

const LATE_MS = 3_000;
/** What the documents ask of the chain, ms. */
export const BUDGET_MS = 100;

/** From the close to the decision, by strategy, ms of market time. */
export function latencies(rows: readonly SignalRow[]): Latency[] {
  const by = new Map<string, number[]>();
  for (const row of rows) by.set(row.strategy, [...(by.get(row.strategy) ?? []), row.received_ms - row.at_ms]);
  return [...by]
    .map(([strategy, took]) => {
      const sorted = took.sort((a, b) => a - b);
      const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
      const late = sorted.filter((one) => one > LATE_MS).length;
      const within = sorted.filter((one) => one <= BUDGET_MS).length / sorted.length;
      return {
        ...{ strategy, count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) },
        ...{ most: sorted.at(-1) ?? 0, within, late },
      };
    })
    .sort((a, b) => a.strategy.localeCompare(b.strategy));
}

/** What became of an opinion. */
export type Outcome = "no_edge" | "near" | "refused" | "flat" | "wished";

export function outcomeOf(row: SignalRow): Outcome {
  if (row.edge === "none" && row.side === "FLAT") return "no_edge";
  if (row.failed.length > 0) return "near";
  if (row.refusal !== "") return "refused";
  return row.side === "FLAT" ? "flat" : "wished";
}
