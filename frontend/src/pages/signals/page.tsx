import { coin } from "../../app/route";
import { useAnswer } from "../../live/answers";
import type { Body } from "../../live/api";
import type { Sheet } from "../../ui/export";
import { datetime, iso, zoneName } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Table } from "../../ui/table";
import { Side } from "../../ui/tag";
import { Planned } from "../planned";
import { says } from "./words";

type SignalsBody = Body<"/api/v1/signals">;

function sheet(body: SignalsBody | null): Sheet {
  return {
    name: `signals-${coin.peek()}`,
    columns: ["time", "strategy", "instrument", "side", "why"],
    rows: (body?.signals ?? []).map((one) => [iso(one.at_ms), one.strategy, one.instrument, one.side, one.why]),
    notes: ["MODEL", ...(body?.meta.notes ?? [])],
  };
}

/** What strategies thought: rows as soon as there are any, else that none has run. */
export default function SignalsPage() {
  const answer = useAnswer("/api/v1/signals", { symbol: coin.value, limit: 100 }, { everyMs: 5_000 });
  const body = answer.value.body;
  const rows = body?.signals ?? [];
  const isEmpty = body !== null && rows.length === 0 && answer.value.problem === null;
  const names = ["rules", "near", "latency"] as const;
  return (
    <div class="stack">
      {rows.length > 0 ? null : (
        <Planned
          id="signals"
          title={says("title")}
          lead={says("lead")}
          will={names.map((name) => ({ name: says(name), text: says(`${name}_is`) }))}
          pages={["alerts", "sentiment", "map"]}
        />
      )}
      <Panel
        id="signal-list"
        title={says("list")}
        kind="model"
        answer={answer}
        {...(isEmpty ? { state: { name: "ready" } as const } : {})}
        csv={() => sheet(answer.peek().body)}
      >
        {rows.length === 0 ? (
          <p class="dim none">
            {says("none")} {body?.meta.notes[0] === undefined ? null : <q>{body.meta.notes[0]}</q>}
          </p>
        ) : (
          <Table
            caption={says("list")}
            rows={rows}
            rowKey={(one) => `${one.at_ms}${one.strategy}${one.instrument}`}
            columns={[
              {
                key: "time",
                label: `${says("time")} (${zoneName()})`,
                show: (one) => datetime(one.at_ms),
                by: (one) => one.at_ms,
              },
              { key: "strategy", label: says("strategy"), show: (one) => one.strategy, by: (one) => one.strategy },
              {
                key: "instrument",
                label: says("instrument"),
                show: (one) => one.instrument,
                by: (one) => one.instrument,
              },
              {
                key: "side",
                label: says("side"),
                show: (one) => <Side side={one.side === "LONG" ? "LONG" : "SHORT"} />,
                by: (one) => one.side,
              },
              { key: "why", label: says("why"), show: (one) => one.why },
            ]}
          />
        )}
      </Panel>
    </div>
  );
}
