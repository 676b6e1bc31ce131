import type { ReadonlySignal } from "@preact/signals";
import { coin } from "../../app/route";
import type { Answer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { about, age, clock, iso, number, percent, share, UNKNOWN, usd } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Side } from "../../ui/tag";
import "./cascades.css";
import { type CascadesBody, times } from "./shock";
import { says } from "./shock_words";

type Event = CascadesBody["events"][number];
const CONDITIONS = ["forced_orders", "move", "open_interest", "volume", "funding", "price"] as const;
const isCondition = (name: string): name is (typeof CONDITIONS)[number] =>
  (CONDITIONS as readonly string[]).includes(name);

function eventSheet(body: CascadesBody | null): Sheet {
  return {
    name: `cascades-${coin.peek()}`,
    columns: [
      "start",
      "detected",
      "peak",
      "end",
      "side",
      "rule",
      "move",
      "open_interest_change",
      "forced_usd",
      "forced_low_usd",
      "forced_high_usd",
      "watched",
      "severity",
      "amplification",
      "conditions",
    ],
    rows: (body?.events ?? []).map((one) => [
      ...[one.start_ms, one.detected_ms, one.peak_ms, one.end_ms].map(iso),
      ...[
        one.side,
        one.rule,
        one.trough_return,
        one.open_interest_change,
        one.forced_usd,
        one.forced_low_usd,
        one.forced_high_usd,
      ],
      ...[one.watched, one.severity, one.amplification],
      one.conditions.map((found) => `${found.name} ${found.value} / ${found.threshold}`).join("; "),
    ]),
    notes: ["MODEL"],
  };
}

/** Cascades that were noticed in the last 24 hours. */
export function EventsPanel({ answer }: { answer: ReadonlySignal<Answer<CascadesBody>> }) {
  const body = answer.value.body;
  return (
    <Panel
      id="cascades"
      title={says("cascades")}
      kind="model"
      answer={answer}
      expectedMs={120_000}
      csv={() => eventSheet(answer.peek().body)}
      table={() => eventSheet(answer.peek().body)}
    >
      {body === null ? null : body.events.length === 0 ? (
        <p class="dim nothing">
          {says("no_cascades")} {says("cascade_is")}
        </p>
      ) : (
        <ol class="events">
          {body.events.map((one) => (
            <EventCard key={`${one.start_ms}${one.side}${one.rule}`} event={one} />
          ))}
        </ol>
      )}
    </Panel>
  );
}

function EventCard({ event }: { event: Event }) {
  const lasted = event.end_ms === null ? says("still") : age(event.end_ms - event.start_ms);
  const bounds =
    event.forced_low_usd !== null && event.forced_high_usd !== null
      ? `${usd(event.forced_low_usd)}–${usd(event.forced_high_usd)}`
      : null;
  return (
    <li class="event">
      <p class="event-head">
        <Side side={event.side} />
        <b class="num">{about(event.forced_usd)}</b>
        {bounds === null ? null : <span class="dim num">{bounds}</span>}
        <span class="event-severity" title={says("severity")}>
          {says("severity")} <b class="num">{number(event.severity)}</b>
        </span>
      </p>
      <p class="event-facts num">
        <span>
          {clock(event.start_ms)} · {lasted}
        </span>
        <span>
          {says("known")} {clock(event.detected_ms)}
        </span>
        <span>
          {says("move")} {percent(100 * event.trough_return)}
        </span>
        <span>
          {says("oi_change")}{" "}
          {event.open_interest_change === null ? UNKNOWN : percent(100 * event.open_interest_change)}
        </span>
        <span>
          {says("amplification")} {event.amplification === null ? UNKNOWN : times(event.amplification)}
        </span>
        {event.watched < 0.995 ? (
          <span class="warn">{says("watched_share", { share: share(event.watched, 0) })}</span>
        ) : null}
      </p>
      <ul class="conditions">
        {event.conditions.map((found) => (
          <Condition key={found.name} name={found.name} ratio={found.value / found.threshold} />
        ))}
      </ul>
      <p class="dim">{says(event.rule === "seed" ? "rule_seed" : "rule_score")}</p>
    </li>
  );
}

function Condition({ name, ratio }: { name: string; ratio: number }) {
  const width = Math.min(100, (100 * Math.log2(1 + Math.max(0, ratio))) / 6);
  return (
    <li>
      <span>{isCondition(name) ? says(`cond_${name}`) : name}</span>
      <span class="meter" aria-hidden="true">
        <span style={{ width: `${width}%` }} />
      </span>
      <span class="num dim">{says("times", { times: number(ratio, ratio < 10 ? 1 : 0) })}</span>
    </li>
  );
}
