import type { ReadonlySignal } from "@preact/signals";
import type { Answer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { age, number, share, UNKNOWN, venue } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Table } from "../../ui/table";
import { channelWord } from "./channels";
import type { StatusBody } from "./feeds";
import { says } from "./words";

type Socket = StatusBody["connections"][number];
type Calls = StatusBody["calls"][number];

function sheet(body: StatusBody | null): Sheet {
  return {
    name: "connections",
    columns: [
      "venue",
      "name",
      "channels",
      "is_open",
      "reconnects",
      "failures",
      "last_error",
      "silent_ms",
      "lag_p50_ms",
      "lag_p95_ms",
      "calls",
    ],
    rows: [
      ...(body?.connections ?? []).map((one) => [
        ...[
          one.venue,
          one.name,
          one.channels.join(" "),
          String(one.is_open),
          Math.max(0, one.attempts - 1),
          one.failures,
        ],
        ...[one.last_error, one.silent_ms, one.lag_p50_ms, one.lag_p95_ms, null],
      ]),
      ...(body?.calls ?? []).map((one) => [
        one.venue,
        "polled",
        one.channels.join(" "),
        null,
        null,
        one.failures,
        one.last_error,
        null,
        null,
        null,
        one.calls,
      ]),
    ],
  };
}

/** Sockets and calls behind the feeds: how often they were lost, why, and how late data comes. */
export function SocketsPanel({ answer }: { answer: ReadonlySignal<Answer<StatusBody>> }) {
  const body = answer.value.body;
  const sockets = body?.connections ?? [];
  const calls = body?.calls ?? [];
  return (
    <Panel
      id="sockets"
      title={says("sockets")}
      kind="observed"
      answer={answer}
      expectedMs={10_000}
      csv={() => sheet(answer.peek().body)}
    >
      {sockets.length + calls.length === 0 ? (
        <p class="dim nothing">{says("sockets_none")}</p>
      ) : (
        <>
          <Sockets rows={sockets} />
          <CallTable rows={calls} />
        </>
      )}
    </Panel>
  );
}

function Sockets({ rows }: { rows: readonly Socket[] }) {
  return (
    <Table
      caption={says("sockets_part")}
      rows={rows}
      rowKey={(one) => one.name}
      columns={[
        { key: "name", label: says("socket"), show: (one) => <b>{one.name}</b>, by: (one) => one.name },
        {
          key: "state",
          label: says("state"),
          show: (one) => <Open isOpen={one.is_open} />,
          by: (one) => String(one.is_open),
        },
        {
          key: "again",
          label: says("reconnects"),
          title: says("reconnects_title"),
          show: (one) => number(Math.max(0, one.attempts - 1)),
          by: (one) => one.attempts,
          isNumber: true,
        },
        {
          key: "failures",
          label: says("failures"),
          title: says("failures_title"),
          show: (one) => number(one.failures),
          by: (one) => one.failures,
          isNumber: true,
        },
        {
          key: "silent",
          label: says("silent"),
          show: (one) => (one.silent_ms === null ? UNKNOWN : age(one.silent_ms)),
          by: (one) => one.silent_ms,
          isNumber: true,
        },
        {
          key: "lag",
          label: says("lag"),
          title: says("lag_title"),
          show: (one) => `${lag(one.lag_p50_ms)} / ${lag(one.lag_p95_ms)}`,
          by: (one) => one.lag_p95_ms,
          isNumber: true,
        },
        {
          key: "error",
          label: says("last_error"),
          show: (one) => (one.last_error === null ? UNKNOWN : <code>{one.last_error}</code>),
          by: (one) => one.last_error,
        },
        {
          key: "carries",
          label: says("carries"),
          show: (one) => <span class="dim">{one.channels.map(channelWord).join(", ")}</span>,
        },
      ]}
    />
  );
}

function lag(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  return Math.abs(ms) < 1_000 ? `${number(ms)} ms` : age(ms);
}

function Open({ isOpen }: { isOpen: boolean }) {
  return <span class={isOpen ? "ok" : "bad"}>{isOpen ? `● ${says("is_open")}` : `✕ ${says("is_down")}`}</span>;
}

function CallTable({ rows }: { rows: readonly Calls[] }) {
  return (
    <Table
      caption={says("calls_part")}
      rows={rows}
      rowKey={(one) => `${one.venue}${one.channels.join()}`}
      columns={[
        { key: "venue", label: says("calls_part"), show: (one) => <b>{venue(one.venue)}</b>, by: (one) => one.venue },
        {
          key: "calls",
          label: says("calls"),
          title: says("calls_title"),
          show: (one) => number(one.calls),
          by: (one) => one.calls,
          isNumber: true,
        },
        {
          key: "failures",
          label: says("calls_failed"),
          show: (one) => `${number(one.failures)} (${share(one.calls > 0 ? one.failures / one.calls : null, 2)})`,
          by: (one) => one.failures,
          isNumber: true,
        },
        {
          key: "error",
          label: says("last_error"),
          show: (one) => (one.last_error === null ? UNKNOWN : <code>{one.last_error}</code>),
        },
        {
          key: "carries",
          label: says("carries"),
          show: (one) => <span class="dim">{one.channels.map(channelWord).join(", ")}</span>,
        },
      ]}
    />
  );
}
