import { age, clockZoned, number, UNKNOWN } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Table } from "../../ui/table";
import { plain } from "../../words/verdicts";
import { type OfRun, ofRun } from "./card";
import { BUDGET_MS, refusalsOf, STAGES, type Stage, type Status, stagesOf, WHOLE } from "./figures";
import { Fact } from "./position";
import { says } from "./words";

/** Milliseconds with as many digits as tell something. */
function ms(value: number | null): string {
  if (value === null) return UNKNOWN;
  return value >= 1_000 ? age(value) : number(value, value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** Where the whole is over the budget it is red, and says so by its glyph. */
function Took({ stage, value }: { stage: Stage; value: number | null }) {
  const isLate = stage.name === WHOLE && value !== null && value > BUDGET_MS;
  return <span class={isLate ? "bad" : ""}>{isLate ? `✕ ${ms(value)}` : ms(value)}</span>;
}

function StageName({ stage: { name } }: { stage: Stage }) {
  const known = STAGES.find((one) => one === name);
  if (known === undefined) return <b>{plain(name)}</b>;
  return <b title={says(`${known}_is`)}>{says(known)}</b>;
}

/** How long each stage of the way takes (B24). */
export function LatencyPanel(props: OfRun) {
  const { status } = props.run;
  const rows = stagesOf(status.latency_ms);
  return (
    <Panel
      id={`trade-latency-${status.run}`}
      class="trade-latency"
      title={says("latency")}
      {...ofRun(props)}
      csv={() => ({
        name: `latency-${status.run}`,
        columns: ["stage", "p50_ms", "p95_ms", "p99_ms", "count"],
        rows: rows.map((one) => [one.name, one.p50, one.p95, one.p99, one.count]),
      })}
      footer={<p>{says("latency_is", { ms: BUDGET_MS })}</p>}
    >
      {rows.length === 0 ? (
        <p class="dim none">{says("no_latency")}</p>
      ) : (
        <Table
          caption={says("latency")}
          rows={rows}
          rowKey={(one) => one.name}
          columns={[
            { key: "stage", label: says("stage"), show: (one) => <StageName stage={one} /> },
            { key: "p50", label: says("median"), isNumber: true, show: (one) => <Took stage={one} value={one.p50} /> },
            { key: "p95", label: "95 %", isNumber: true, show: (one) => <Took stage={one} value={one.p95} /> },
            { key: "p99", label: "99 %", isNumber: true, show: (one) => <Took stage={one} value={one.p99} /> },
            { key: "count", label: says("count"), isNumber: true, show: (one) => number(one.count) },
          ]}
        />
      )}
    </Panel>
  );
}

/** Why entries were not made. */
export function RefusedPanel(props: OfRun) {
  const { status } = props.run;
  const rows = refusalsOf(status.refused);
  return (
    <Panel id={`trade-refused-${status.run}`} class="trade-refused" title={says("refused")} {...ofRun(props)}>
      {rows.length === 0 ? (
        <p class="dim none">{says("no_refused")}</p>
      ) : (
        <Table
          caption={says("refused")}
          rows={rows}
          rowKey={([reason]) => reason}
          columns={[
            { key: "reason", label: says("reason"), show: ([reason]) => <span lang="en">{plain(reason)}</span> },
            { key: "times", label: says("times"), isNumber: true, show: ([, n]) => number(n) },
          ]}
        />
      )}
    </Panel>
  );
}

/** Whether the exchange speaks, answers, keeps time, and agrees. */
export function ExchangePanel(props: OfRun) {
  const { status } = props.run;
  return (
    <Panel id={`trade-exchange-${status.run}`} class="trade-exchange" title={says("exchange")} {...ofRun(props)}>
      {status.contact == null ? (
        <p class="dim none">{says("exchange_paper")}</p>
      ) : (
        <Contact contact={status.contact} marketMs={status.market_ms} />
      )}
      <dl class="facts">
        <Fact name={says("duplicates")}>
          <span class={`num ${status.duplicate_orders > 0 ? "bad" : ""}`}>{number(status.duplicate_orders)}</span>
        </Fact>
        <Fact name={says("hash")}>
          <code title={status.decision_hash}>{status.decision_hash.slice(0, 12) || UNKNOWN}</code>
        </Fact>
        {status.recording ? (
          <Fact name={says("recording")}>
            <code>{status.recording.split("/").at(-1)}</code>
          </Fact>
        ) : null}
      </dl>
    </Panel>
  );
}

function Contact({ contact, marketMs }: { contact: NonNullable<Status["contact"]>; marketMs: number }) {
  const agreed = contact.reconciled_ms;
  return (
    <dl class="facts">
      <Fact name={says("stream")}>
        <span class={contact.is_streaming ? "ok" : "bad"}>
          {contact.is_streaming ? "●" : "✕"} {says(contact.is_streaming ? "streaming" : "not_streaming")}
        </span>
      </Fact>
      <Fact name={says("calls")}>
        <span class="num">{number(contact.calls)}</span>{" "}
        <span class={contact.errors > 0 ? "bad" : "dim"}>{says("errors", { n: number(contact.errors) })}</span>
      </Fact>
      <Fact name={says("skew")}>
        <span class="num">{contact.skew_ms === null ? UNKNOWN : `${number(contact.skew_ms, 1)}\u2009ms`}</span>
      </Fact>
      <Fact name={says("reconciled")}>
        {agreed === null ? (
          <span class="warn">{says("never")}</span>
        ) : (
          <span title={clockZoned(agreed)}>
            {contact.is_mismatched ? (
              <span class="bad">✕ {says("mismatch")} · </span>
            ) : (
              <span class="ok">● {says("agrees")} · </span>
            )}
            <span class="num">{says("ago", { age: age(marketMs - agreed) })}</span>
          </span>
        )}
      </Fact>
    </dl>
  );
}
