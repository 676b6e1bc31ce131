/** What a run's figures come to: drawdown, months, differences. Pure. Times are epoch ms, fractions are of 1. */
import type { Point } from "../../charts/scale";
import type { Body } from "../../live/api";

export type RunsBody = Body<"/api/v1/runs">;
export type RunBody = Body<"/api/v1/runs/{id}">;
export type Summary = RunBody["run"]["summary"];
export type Run = RunBody["run"];
export type Trade = Run["trades"][number];
export type Job = Body<"/api/v1/backtests">["backtests"][number];
export type Strategy = Body<"/api/v1/strategies">["strategies"][number];
export type Parameter = Strategy["parameters"][number];

/** Equity as points. */
export function equityOf(run: Run): Point[] {
  return run.curve.at_ms.map((at, n) => [at, run.curve.equity[n] ?? null]);
}

/** Equity as a return on the deposit, by date or, where `from` is told, by the time since the run began. */
export function returnOf(run: Run, from = 0): Point[] {
  const { deposit, from_ms: began } = run.summary;
  return run.curve.at_ms.map((at, n) => {
    const equity = run.curve.equity[n];
    return [from ? at - began + from : at, equity === undefined ? null : equity / deposit - 1];
  });
}

/** How far below its highest equity a run stands at each point; 0 or less. */
export function drawdownOf(equity: readonly Point[], deposit: number): Point[] {
  let peak = deposit;
  return equity.map(([at, value]) => {
    if (value === null) return [at, null];
    peak = Math.max(peak, value);
    return [at, peak > 0 ? value / peak - 1 : 0];
  });
}

/** Net returns of months by year: twelve each, null where the run was not. */
export function yearsOf(months: readonly (readonly unknown[])[]): { year: string; months: (number | null)[] }[] {
  const years = new Map<string, (number | null)[]>();
  for (const [name, value] of months) {
    const [year = "", month = "1"] = String(name).split("-");
    const row = years.get(year) ?? Array<number | null>(12).fill(null);
    row[Number(month) - 1] = typeof value === "number" ? value : null;
    years.set(year, row);
  }
  return [...years].sort(([a], [b]) => (a < b ? -1 : 1)).map(([year, row]) => ({ year, months: row }));
}

/** Returns of months put together: fraction. */
export function compounded(returns: readonly (number | null)[]): number {
  return returns.reduce<number>((product, value) => product * (1 + (value ?? 0)), 1) - 1;
}

/** One step from what was there before costs to what was left. */
export interface Step {
  name: "before" | "slippage" | "fees" | "funding" | "net";
  /** Quote units; costs below 0. */
  value: number;
  /** Where its bar begins and ends, quote units. */
  from: number;
  to: number;
}

/** From the trades at mid prices to what was left: slippage, fees, funding. */
export function stepsOf({ gross, slippage, fees, funding, net }: Summary): Step[] {
  const before = gross + slippage;
  const parts: [Step["name"], number][] = [
    ["slippage", -slippage],
    ["fees", -fees],
    ["funding", -funding],
  ];
  const steps: Step[] = [{ name: "before", value: before, from: 0, to: before }];
  let at = before;
  for (const [name, value] of parts) {
    steps.push({ name, value, from: at, to: at + value });
    at += value;
  }
  return [...steps, { name: "net", value: net, from: 0, to: net }];
}

/** What differs between runs: settings by name, with each run's own text. */
export function differences(runs: readonly Summary[]): { name: string; values: string[]; isDifferent: boolean }[] {
  const settings = runs.map((run) => ({
    strategy: run.strategy,
    instrument: run.instrument,
    data: run.data,
    sources: run.sources.join(", "),
    data_hash: run.data_hash.slice(0, 12),
    from: new Date(run.from_ms).toISOString().slice(0, 16),
    to: new Date(run.to_ms).toISOString().slice(0, 16),
    deposit: String(run.deposit),
    ...run.parameters,
  }));
  const names = [...new Set(settings.flatMap((one) => Object.keys(one)))];
  return names.map((name) => {
    const values = settings.map((one) => String((one as Record<string, unknown>)[name] ?? "—"));
    return { name, values, isDifferent: new Set(values).size > 1 };
  });
}

/** Why a value is no good for a parameter: the bound that it breaks; null = it is good. */
export function flawOf(parameter: Parameter, text: string): "number" | "whole" | "least" | "most" | null {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) return "number";
  if (parameter.is_whole && !Number.isInteger(value)) return "whole";
  const { least, most } = parameter;
  if (least !== null && (value < least || (value === least && !parameter.is_least_in))) return "least";
  if (most !== null && (value > most || (value === most && !parameter.is_most_in))) return "most";
  return null;
}

/** `≥ 1, ≤ 100`, as the bounds are. */
export function boundsText({ least, most, is_least_in, is_most_in }: Parameter): string {
  const low = least === null ? null : `${is_least_in ? "≥" : ">"} ${least}`;
  const high = most === null ? null : `${is_most_in ? "≤" : "<"} ${most}`;
  return [low, high].filter((part) => part !== null).join(", ");
}

/** Ids in an address, without doubles: `a,b`. */
export function idsOf(text: string): string[] {
  return [...new Set(text.split(",").filter((id) => /^[0-9a-f]{4,64}$/.test(id)))];
}
