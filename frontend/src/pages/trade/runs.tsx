import type { Signal } from "@preact/signals";
import { href } from "../../app/route";
import { datetime, iso, percent, signed } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Table } from "../../ui/table";
import { words } from "../../words/vocabulary";
import { LabelTag, steady, type TradeAnswer } from "./card";
import { lifeOf, netOf, type RunNow } from "./figures";
import { says } from "./words";

interface RunsProps {
  answer: TradeAnswer;
  shown: readonly RunNow[];
  chosen: Signal<string>;
}

const TONES = { runs: "ok", over: "dim", silent: "bad" } as const;

/** Every run the journals have, those that are over too. */
export function RunsPanel({ answer, shown, chosen }: RunsProps) {
  const rows = answer.value.body?.runs ?? [];
  const ids = new Set(shown.map((run) => run.status.run));
  return (
    <Panel
      id="trade-runs"
      title={says("all_runs")}
      kind={null}
      answer={answer}
      asOfMs={null}
      {...steady(answer)}
      csv={() => ({
        name: "trade-runs",
        columns: ["run", "label", "kind", "data", "strategy", "instrument", "begun", "is_running", "is_over", "net"],
        rows: rows.map((run) => [
          ...[run.status.run, run.label, run.status.kind, run.status.data, run.status.strategy, run.status.instrument],
          ...[iso(run.status.begun_ms), String(run.is_running), String(run.status.is_over), netOf(run.status).net],
        ]),
      })}
    >
      <Table
        caption={says("all_runs")}
        rows={rows}
        rowKey={(run) => run.status.run}
        rowClass={(run) => (ids.has(run.status.run) ? "chosen" : "")}
        sorted="-began"
        columns={[
          { key: "label", label: says("kind"), show: (run) => <LabelTag label={run.label} />, by: (run) => run.label },
          {
            key: "run",
            label: says("run"),
            show: (run) => <Name run={run} chosen={chosen} />,
            by: (run) => run.status.run,
          },
          { key: "contract", label: says("contract"), show: (run) => run.status.instrument },
          {
            key: "state",
            label: says("state"),
            show: (run) => <span class={`nowrap ${TONES[lifeOf(run)]}`}>{says(lifeOf(run))}</span>,
            by: lifeOf,
          },
          { key: "held", label: says("held"), show: (run) => <Holds run={run} /> },
          {
            key: "net",
            label: says("net"),
            isNumber: true,
            show: (run) => <Net run={run} />,
            by: (run) => netOf(run.status).net,
          },
          {
            key: "began",
            label: says("began"),
            show: (run) => <span class="nowrap dim">{datetime(run.status.begun_ms)}</span>,
            by: (run) => run.status.begun_ms,
          },
        ]}
      />
    </Panel>
  );
}

function Name({ run, chosen }: { run: RunNow; chosen: Signal<string> }) {
  const id = run.status.run;
  return (
    <a
      href={href("trade", { run: id })}
      title={says("show", { id })}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        chosen.value = id;
      }}
    >
      {run.status.strategy} <span class="dim">{id}</span>
    </a>
  );
}

function Holds({ run }: { run: RunNow }) {
  const { side, size } = run.status.held;
  if (side === null) return <span class="dim">{says("flat")}</span>;
  const isLong = side === "LONG";
  return (
    <span class={`nowrap ${isLong ? "long" : "short"}`}>
      {isLong ? "▲" : "▼"} {words(isLong ? "long" : "short")} {String(size)}
    </span>
  );
}

function Net({ run }: { run: RunNow }) {
  const { net, share } = netOf(run.status);
  return (
    <span class={net < 0 ? "bad" : net > 0 ? "ok" : "dim"}>
      {signed(net)} <span class="dim">{percent(share === null ? null : 100 * share)}</span>
    </span>
  );
}
