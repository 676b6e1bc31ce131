import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { parameter } from "../../app/route";
import type { Point } from "../../charts/scale";
import { useAnswer } from "../../live/answers";
import { Panel } from "../../ui/panel";
import { RunCard } from "./card";
import { grown, isHeld, shownOf, type TradeBody } from "./figures";
import { ModePanel } from "./mode";
import { RunsPanel } from "./runs";
import "./trade.css";
import { says } from "./words";

const EVERY_MS = 1_000;
/** Equity by run, as long as the tab is open. */
const lines = signal<ReadonlyMap<string, readonly Point[]>>(new Map());

function follow(body: TradeBody | null): void {
  if (body === null) return;
  const now = body.runs.map(({ status }) => [status.run, grown(lines.peek().get(status.run) ?? [], status)] as const);
  lines.value = new Map(now);
}

/** What is traded: whose money it is, what is held, how well it is protected, and how to make it less. */
export default function TradePage() {
  const chosen = parameter("run", "");
  const answer = useAnswer("/api/v1/trade", {}, { everyMs: EVERY_MS });
  const body = answer.value.body;
  useEffect(() => follow(body), [body]);
  const runs = body?.runs ?? [];
  const shown = shownOf(runs, chosen.value);
  return (
    <div class="trade-page">
      <h1 class="unseen">{says("title")}</h1>
      <ModePanel answer={answer} isLive={runs.some((run) => run.is_running && run.label === "LIVE")} />
      {body !== null && runs.length === 0 ? <Nothing /> : null}
      {shown.map((run) => (
        <RunCard
          key={run.status.run}
          run={run}
          answer={answer}
          points={lines.value.get(run.status.run) ?? []}
          isWhole={run.is_running || isHeld(run) || shown.length === 1}
        />
      ))}
      {runs.length > 1 ? <RunsPanel answer={answer} shown={shown} chosen={chosen} /> : null}
    </div>
  );
}

function Nothing() {
  return (
    <Panel id="trade-nothing" title={says("all_runs")} kind={null} state={{ name: "ready" }} asOfMs={null}>
      <div class="instead">
        <strong>{says("no_runs")}</strong>
        <p class="dim">{says("no_runs_is")}</p>
        <code>perpscope paper burst --lab --db PATH</code>
        <p class="dim">{says("no_runs_more")}</p>
        <code>perpscope paper burst</code>
      </div>
    </Panel>
  );
}
