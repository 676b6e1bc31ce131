import { type ReadonlySignal, type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { type Answer, useAnswer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { age, number, share, UNKNOWN, venue } from "../../ui/format";
import { Lamp } from "../../ui/lamp";
import { Panel } from "../../ui/panel";
import { ByVenue } from "./by_venue";
import { CHANNEL_ORDER, channelWord } from "./channels";
import { type Feed, feedKey, leastSeen, rateOf, rateText, type Sample, type StatusBody, sampled } from "./feeds";
import { says } from "./words";

function sheet(feeds: readonly Feed[], samples: readonly Sample[], hour: ReadonlyMap<string, number | null>): Sheet {
  return {
    name: "feeds",
    columns: [
      "venue",
      "channel",
      "state",
      "age_ms",
      "events",
      "events_per_s",
      "gaps",
      "coverage_1h",
      "coverage_24h",
      "least_24h",
      "least_seen",
    ],
    rows: feeds.map((feed) => [
      ...[feed.venue, feed.channel, feed.state, feed.age_ms, feed.events, rateOf(samples, feedKey(feed)), feed.gaps],
      ...[hour.get(feedKey(feed)) ?? null, feed.coverage_24h, feed.least_24h, feed.least_seen],
    ]),
  };
}

/** Each feed of each venue: its state, how old its newest event is, how fast they come, and how much was seen. */
export function FeedsPanel({ answer }: { answer: ReadonlySignal<Answer<StatusBody>> }) {
  const samples = useSignal<readonly Sample[]>([]);
  const chosen = useSignal<string | null>(null);
  const body = answer.value.body;
  const coverage = useAnswer("/api/v1/coverage", { hours: 1, gaps_only: true, limit: 1 }, { everyMs: 60_000 });
  const hour = useMemo(() => leastSeen(coverage.value.body?.streams ?? []), [coverage.value.body]);
  useEffect(() => {
    if (body !== null)
      samples.value = sampled(samples.peek(), body.feeds, answer.peek().receivedAt ?? performance.now());
  }, [body]);
  const feeds = body?.feeds ?? [];
  return (
    <Panel
      id="feeds"
      title={says("feeds")}
      kind="observed"
      answer={answer}
      empty={body !== null && feeds.length === 0}
      expectedMs={10_000}
      csv={() => sheet(feeds, samples.peek(), hour)}
      table={() => sheet(feeds, samples.peek(), hour)}
    >
      <Matrix feeds={feeds} samples={samples} hour={hour} chosen={chosen} />
    </Panel>
  );
}

interface MatrixProps {
  feeds: readonly Feed[];
  samples: ReadonlySignal<readonly Sample[]>;
  hour: ReadonlyMap<string, number | null>;
  chosen: Signal<string | null>;
}

function Matrix({ feeds, samples, hour, chosen }: MatrixProps) {
  const venues = [...new Set(feeds.map((feed) => feed.venue))];
  const channels = CHANNEL_ORDER.filter((name) => feeds.some((feed) => feed.channel === name));
  const byKey = new Map(feeds.map((feed) => [feedKey(feed), feed]));
  const open = chosen.value === null ? undefined : byKey.get(chosen.value);
  return (
    <>
      <ByVenue title={says("feeds")} rows={says("feed")} venues={venues} class="matrix">
        {channels.map((channel) => (
          <tr key={channel}>
            <th scope="row">{channelWord(channel)}</th>
            {venues.map((name) => (
              <Cell
                key={name}
                feed={byKey.get(`${name}/${channel}`)}
                samples={samples.value}
                hour={hour}
                chosen={chosen}
              />
            ))}
          </tr>
        ))}
      </ByVenue>
      {open === undefined ? null : <Details feed={open} samples={samples.value} hour={hour} />}
    </>
  );
}

interface CellProps {
  feed: Feed | undefined;
  samples: readonly Sample[];
  hour: ReadonlyMap<string, number | null>;
  chosen: Signal<string | null>;
}

function Cell({ feed, samples, hour, chosen }: CellProps) {
  if (feed === undefined) {
    return (
      <td class="cell none" title={says("not_listened")}>
        {UNKNOWN}
      </td>
    );
  }
  const key = feedKey(feed);
  const units = { s: says("per_s"), min: says("per_min") };
  return (
    <td class="cell">
      <button
        type="button"
        class={`feed ${feed.state}`}
        aria-pressed={chosen.value === key}
        onClick={() => {
          chosen.value = chosen.peek() === key ? null : key;
        }}
      >
        <span class="unseen">
          {venue(feed.venue)} {channelWord(feed.channel)}{" "}
        </span>
        <span class="feed-top">
          <Lamp state={feed.state} />
          <span class="num">{feed.age_ms === null ? says("never") : age(feed.age_ms)}</span>
        </span>
        <span class="feed-low num dim">
          <span title={says("rate_title")}>{rateText(rateOf(samples, key), units)}</span>
          <Seen hour={hour.get(key) ?? null} day={feed.least_24h} />
        </span>
        {feed.gaps > 0 ? (
          <span class="feed-gaps warn">
            {feed.gaps} {says(feed.gaps === 1 ? "gap" : "gaps")}
          </span>
        ) : null}
      </button>
    </td>
  );
}

/** Two shares as bars: the last hour and the last day. */
function Seen({ hour, day }: { hour: number | null; day: number | null }) {
  const title = `${says("seen_1h")} ${share(hour)} · ${says("seen_24h")} ${share(day)}`;
  return (
    <span class="feed-seen" title={title}>
      <span class="seen-bar" aria-hidden="true">
        <span class={hour !== null && hour < 0.99 ? "low" : ""} style={{ width: `${100 * (hour ?? 0)}%` }} />
      </span>
      <span class="seen-bar" aria-hidden="true">
        <span class={day !== null && day < 0.99 ? "low" : ""} style={{ width: `${100 * (day ?? 0)}%` }} />
      </span>
      <span class="unseen">{title}</span>
    </span>
  );
}

function Details({
  feed,
  samples,
  hour,
}: {
  feed: Feed;
  samples: readonly Sample[];
  hour: ReadonlyMap<string, number | null>;
}) {
  const key = feedKey(feed);
  const rate = rateOf(samples, key);
  return (
    <div class="feed-details" role="status">
      <b>
        {venue(feed.venue)} · {channelWord(feed.channel)}
      </b>
      <Lamp state={feed.state} />
      <span>{feed.age_ms === null ? says("never") : says("last", { age: age(feed.age_ms) })}</span>
      <span class="num" title={says("events_title")}>
        {number(feed.events)} {says("events")}
      </span>
      <span class="num" title={says("rate_title")}>
        {rateText(rate, { s: says("per_s"), min: says("per_min") })}
      </span>
      <span class="num">
        {number(feed.gaps)} {says(feed.gaps === 1 ? "gap" : "gaps")}
      </span>
      <span class="num">
        {says("seen_1h")} {share(hour.get(key) ?? null)}
      </span>
      <span class="num">
        {says("seen_24h")} {share(feed.coverage_24h)}
      </span>
      {feed.least_seen === null ? null : (
        <span class="dim">{says("least_is", { stream: feed.least_seen, share: share(feed.least_24h) })}</span>
      )}
    </div>
  );
}
