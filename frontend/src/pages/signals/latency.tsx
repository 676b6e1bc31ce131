import type { ReadonlySignal } from "@preact/signals";
import type { Answer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { age, number, share } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Table } from "../../ui/table";
import { latencies, type SignalsBody } from "./figures";
import { says } from "./words";

function sheet(body: SignalsBody | null): Sheet {
  return {
    name: "decision-latency",
    columns: ["strategy", "decisions", "p50_ms", "p95_ms", "p99_ms", "longest_ms", "within_100_ms", "over_3_s"],
    rows: latencies(body?.signals ?? []).map((one) => [
      ...[one.strategy, one.count, one.p50, one.p95, one.p99, one.most, one.within, one.late],
    ]),
  };
}

/** Milliseconds, from a second on as an age. */
export const took = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)}\u2009ms` : age(ms));

/** How long a decision took from the close it is of, by strategy. */
export function LatencyPanel({ answer }: { answer: ReadonlySignal<Answer<SignalsBody>> }) {
  const body = answer.value.body;
  return (
    <Panel
      id="signal-latency"
      title={says("latency")}
      kind="observed"
      answer={answer}
      csv={() => sheet(answer.peek().body)}
      table={() => sheet(answer.peek().body)}
      footer={<p>{says("latency_is")}</p>}
    >
      <Table
        caption={says("latency")}
        rows={latencies(body?.signals ?? [])}
        rowKey={(one) => one.strategy}
        columns={[
          { key: "strategy", label: says("strategy"), show: (one) => <b>{one.strategy}</b>, by: (one) => one.strategy },
          { key: "p50", label: says("p50"), isNumber: true, show: (one) => took(one.p50), by: (one) => one.p50 },
          { key: "p95", label: says("p95"), isNumber: true, show: (one) => took(one.p95), by: (one) => one.p95 },
          { key: "p99", label: says("p99"), isNumber: true, show: (one) => took(one.p99), by: (one) => one.p99 },
          { key: "most", label: says("most"), isNumber: true, show: (one) => took(one.most), by: (one) => one.most },
          {
            key: "within",
            label: says("within"),
            isNumber: true,
            show: (one) => share(one.within, 0),
            by: (one) => one.within,
          },
          {
            key: "late",
            label: says("late"),
            isNumber: true,
            show: (one) => <span class={one.late > 0 ? "warn" : ""}>{number(one.late)}</span>,
            by: (one) => one.late,
          },
          {
            key: "count",
            label: says("count"),
            isNumber: true,
            show: (one) => number(one.count),
            by: (one) => one.count,
          },
        ]}
      />
    </Panel>
  );
}
