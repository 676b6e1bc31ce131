import { useMemo } from "preact/hooks";
import { useKeys } from "../../app/keyboard";
import { go, parameter } from "../../app/route";
import { useAnswer } from "../../live/answers";
import "./backtest.css";
import "./run.css";
import { ComparePanel } from "./compare";
import { idsOf } from "./figures";
import { FormPanel } from "./form";
import { JobsPanel } from "./jobs";
import { RunPanels } from "./run";
import { RunsPanel } from "./runs";
import { says } from "./words";

const BUSY_MS = 1_000;
const QUIET_MS = 10_000;

/** Strategies on the past: start one, see how far it is, and what it came to beside others. */
export default function BacktestPage() {
  const chosen = parameter("run", "");
  const compared = parameter("compare", "");
  const of = parameter("of", "all");
  const runs = useAnswer("/api/v1/runs", { limit: 500 }, { everyMs: QUIET_MS });
  const strategies = useAnswer("/api/v1/strategies", {});
  const jobs = useAnswer("/api/v1/backtests", {}, { everyMs: BUSY_MS });
  const rows = runs.value.body?.runs ?? [];
  const shown = chosen.value || (rows[0]?.id ?? "");
  const wanted = useMemo(
    () => ({
      n: { label: says("focus"), run: () => document.getElementById("backtest-strategy")?.focus() },
      j: { label: says("next_run"), run: () => step(1) },
      k: { label: says("before_run"), run: () => step(-1) },
    }),
    [],
  );
  useKeys(wanted);

  const step = (by: number): void => {
    const ids = (runs.peek().body?.runs ?? []).map((run) => run.id);
    const at = ids.indexOf(chosen.peek() || (ids[0] ?? ""));
    const next = ids[Math.min(ids.length - 1, Math.max(0, at + by))];
    if (next !== undefined) chosen.value = next;
  };
  const open = (id: string): void => {
    go("backtest", { run: id, compare: compared.peek() || null, of: of.peek() === "all" ? null : of.peek() });
  };
  return (
    <div class="backtest-page">
      <h1 class="unseen">{says("title")}</h1>
      <div class="backtest-start">
        <FormPanel strategies={strategies} jobs={jobs} />
        <JobsPanel jobs={jobs} runs={runs} open={open} />
      </div>
      <RunsPanel answer={runs} of={of} shown={shown} compared={compared} open={open} />
      <ComparePanel ids={idsOf(compared.value)} runs={rows} compared={compared} />
      {shown === "" ? null : <RunPanels id={shown} isNewest={chosen.value === ""} />}
    </div>
  );
}
