/** What happened lately, and what was not seen: alerts, cascades, feeds, gaps. */
import { type ReadonlySignal, useComputed } from "@preact/signals";
import { PageLink } from "../../app/navigation";
import { coin } from "../../app/route";
import { useAnswer } from "../../live/answers";
import type { Body } from "../../live/api";
import { coinOf } from "../../live/quote";
import type { GapRow } from "../../live/shapes";
import { isTroubled, standing } from "../../live/standing";
import { useRows } from "../../live/stream";
import type { Sheet } from "../../ui/export";
import { about, age, clock, clockZoned, iso, number, percent, share, venue } from "../../ui/format";
import { Lamp } from "../../ui/lamp";
import { Panel } from "../../ui/panel";
import { Side } from "../../ui/tag";
import { feedWord } from "../../words/feeds";
import { measureText } from "../alerts/measure_text";
import { ruleTitle } from "../alerts/words";
import { type Coverage, type Missed, missedOf, seenOf } from "./missed";
import { says } from "./words";

type AlertsBody = Body<"/api/v1/alerts">;
const FEW = 6;

/** Alerts of every coin, newest first. */
export function AlertsPanel() {
  const answer = useAnswer("/api/v1/alerts", { limit: FEW }, { everyMs: 5_000 });
  const body = answer.value.body;
  return (
    <Panel
      id="newest-alerts"
      title={says("alerts")}
      kind={null}
      answer={answer}
      state={body?.alerts.length ? { name: "ready" } : undefined}
      footer={<PageLink to="alerts">{says("all_alerts")} →</PageLink>}
    >
      {body === null ? null : body.alerts.length ? (
        <ol class="lately">
          {body.alerts.slice(0, FEW).map((one) => (
            <AlertLine key={one.alert.id} alert={one.alert} />
          ))}
        </ol>
      ) : (
        <p class="dim none">{body.watcher?.is_running ? says("no_alerts") : says("no_watcher")}</p>
      )}
    </Panel>
  );
}

function AlertLine({ alert }: { alert: AlertsBody["alerts"][number]["alert"] }) {
  const [name, value] = Object.entries(alert.values).find(([one]) => one !== "cascade") ?? [];
  return (
    <li class={`severity-${alert.severity}`}>
      <time class="dim" title={clockZoned(alert.at_ms)}>
        {clock(alert.at_ms, "minute")}
      </time>
      <b>{alert.coin}</b>
      <span class="what">{ruleTitle(alert.rule, alert.title)}</span>
      {alert.side === null ? null : <Side side={alert.side} />}
      <span class="number">{name === undefined || value === undefined ? "" : measureText(name, value)}</span>
    </li>
  );
}

/** Cascades of the chosen coin. */
export function CascadesPanel() {
  const symbol = coinOf(coin.value);
  const answer = useAnswer("/api/v1/cascades", { symbol, simulate: false }, { everyMs: 60_000 });
  const events = answer.value.body?.events ?? [];
  return (
    <Panel
      id="recent-cascades"
      title={says("cascades")}
      kind="model"
      answer={answer}
      expectedMs={120_000}
      footer={<PageLink to="sentiment">{says("mood")} →</PageLink>}
    >
      {answer.value.body === null ? null : events.length ? (
        <ol class="lately">
          {events.slice(0, FEW).map((one) => (
            <li key={`${one.start_ms}${one.side}${one.rule}`} title={says("severity", { n: number(one.severity) })}>
              <time class="dim" title={clockZoned(one.start_ms)}>
                {clock(one.start_ms, "minute")}
              </time>
              <Side side={one.side} />
              <b class="number">{percent(100 * one.trough_return)}</b>
              <span class="what dim">
                {says("cascade_more", {
                  forced: about(one.forced_usd),
                  oi: percent(one.open_interest_change === null ? null : 100 * one.open_interest_change, 1),
                })}
              </span>
              <span class="number">{one.end_ms === null ? says("lasts") : age(one.end_ms - one.start_ms)}</span>
            </li>
          ))}
        </ol>
      ) : (
        <p class="dim none">{says("no_cascades", { coin: symbol })}</p>
      )}
    </Panel>
  );
}

/** Each venue by its worst feed. */
export function FeedsPanel() {
  const told = useComputed(() => {
    const { venues, feeds } = standing.value;
    return JSON.stringify({
      late: feeds.filter((one) => isTroubled(one.state)).length,
      of: feeds.length,
      venues: venues.map(({ venue: name, state, troubled }) => ({ name, state, troubled })),
    });
  });
  const { late, of, venues } = JSON.parse(told.value) as {
    late: number;
    of: number;
    venues: { name: string; state: "live"; troubled: string[] }[];
  };
  return (
    <Panel
      id="feed-lamps"
      title={says("feeds")}
      kind={null}
      asOfMs={null}
      state={{ name: "ready" }}
      footer={<PageLink to="health">{says("details")} →</PageLink>}
    >
      <p class={`verdict ${late ? "warn" : of ? "ok" : "dim"}`}>
        {of === 0
          ? says("no_feeds")
          : late
            ? says("feeds_some", { n: late, of })
            : says("feeds_all", { n: of, venues: venues.length })}
      </p>
      <ul class="lamps">
        {venues.map((one) => (
          <li key={one.name}>
            <Lamp state={one.state} withWord={false} /> {venue(one.name)}{" "}
            <span class="dim">{one.troubled.map(feedWord).join(", ")}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function sheet(missed: readonly Missed[]): Sheet {
  return {
    name: `not-seen-${coin.peek()}`,
    columns: ["from", "to", "venue", "feeds", "cause", "repaired"],
    rows: missed.map((one) => [
      ...[iso(one.fromMs), iso(one.toMs), one.venue, one.channels.join(" ")],
      ...[one.cause, String(one.isRepaired)],
    ]),
  };
}

/** Gaps of the last day, also those the stream tells just now. */
export function UnseenPanel() {
  const symbol = coinOf(coin.value);
  const query = { symbol, hours: 24, gaps_only: true, limit: 200 };
  const answer = useAnswer("/api/v1/coverage", query, { everyMs: 30_000 });
  const fresh = useRows<GapRow>("gaps", 50);
  const missed: ReadonlySignal<Missed[]> = useComputed(() =>
    missedOf((answer.value.body as Coverage | null) ?? null, fresh.value.rows, symbol),
  );
  const seen = seenOf(answer.value.body);
  const rows = missed.value;
  return (
    <Panel
      id="not-seen"
      title={says("unseen")}
      kind={null}
      answer={answer}
      state={answer.value.body ? { name: "ready" } : undefined}
      csv={() => sheet(missed.peek())}
      table={() => sheet(missed.peek())}
      footer={
        seen === null
          ? undefined
          : `${says("seen_share", { share: share(seen.share) })} (${says("seen_least", { venue: venue(seen.venue), share: share(seen.least) })})`
      }
    >
      {answer.value.body === null ? null : rows.length === 0 ? (
        <p class="dim none">{says("all_seen", { coin: symbol })}</p>
      ) : (
        <ol class="lately">
          {rows.slice(0, FEW).map((one) => (
            <li key={`${one.venue}${one.fromMs}${one.cause}`} title={one.channels.map(feedWord).join(", ")}>
              <b>{venue(one.venue)}</b>
              <span class="what dim">
                {one.channels.slice(0, 2).map(feedWord).join(", ")}
                {one.channels.length > 2 ? ` +${one.channels.length - 2}` : ""} · {one.cause}
              </span>
              <span class={`number ${one.isRepaired ? "dim" : "warn"}`}>
                {one.toMs === null
                  ? says("gap_lasts", { at: clock(one.fromMs, "minute") })
                  : says("gap_row", { length: age(one.toMs - one.fromMs), at: clock(one.fromMs, "minute") })}
                {one.isRepaired ? ` · ${says("repaired")}` : ""}
              </span>
            </li>
          ))}
          {rows.length > FEW ? <li class="dim">{says("more_gaps", { n: rows.length - FEW })}</li> : null}
        </ol>
      )}
    </Panel>
  );
}
