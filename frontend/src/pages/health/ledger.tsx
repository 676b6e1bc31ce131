import { useSignal } from "@preact/signals";
import { coin, parameter } from "../../app/route";
import { useAnswer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { age, clock, datetime, iso, share, UNKNOWN, venue, zoneName } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Picker, Segments } from "../../ui/picker";
import { Table } from "../../ui/table";
import { CHANNEL_ORDER, channelWord } from "./channels";
import { type CoverageBody, fateOf, gapsOf, type Interval, type Track, tracksOf } from "./feeds";
import "./ledger.css";
import { Timeline, TimeScale } from "./timeline";
import { says } from "./words";

const WINDOWS = ["1", "6", "24", "168"] as const;
const VENUES = ["binance", "bybit", "okx", "bitget", "hyperliquid"] as const;
const FEW = 24;
const MOST_GAPS = 60;
type Query = { symbol: string; hours: number; limit: number; venue?: string; channel?: Interval["channel"] };

/** `1 h`, `24 h`, `7 d`. */
function windowText(hours: number): string {
  return hours > 24 ? says("days", { n: hours / 24 }) : says("hours", { n: hours });
}

function sheet(body: CoverageBody | null): Sheet {
  return {
    name: `coverage-${coin.peek()}`,
    columns: [
      "venue",
      "channel",
      "instrument",
      "from",
      "to",
      "state",
      "cause",
      "repaired",
      "lost",
      "source",
      "completeness",
    ],
    rows: (body?.intervals ?? []).map((one) => [
      ...[one.venue, one.channel, one.instrument, iso(one.from_ms), iso(one.to_ms), one.state, one.cause],
      ...[String(one.repaired), String(one.lost), one.source, one.completeness],
    ]),
    notes: body && body.omitted > 0 ? [`${body.omitted} older stretches are left out`] : [],
  };
}

/** What was seen of each stream and what was not: stretches on one time axis, and each gap with its cause. */
export function LedgerPanel() {
  const hours = parameter("window", "24");
  const chosenVenue = parameter("venue", "all");
  const chosenChannel = parameter("feed", "all");
  const only = parameter("streams", "all");
  const query: Query = { symbol: coin.value, hours: Math.min(744, Number(hours.value) || 24), limit: 1000 };
  if (chosenVenue.value !== "all") query.venue = chosenVenue.value;
  if (chosenChannel.value !== "all") query.channel = chosenChannel.value as Interval["channel"];
  const answer = useAnswer("/api/v1/coverage", query, { everyMs: 30_000 });
  const body = answer.value.body;
  const windows = WINDOWS.map((value) => ({ value, label: windowText(Number(value)) }));
  return (
    <Panel
      id="ledger"
      title={`${says("ledger")} · ${coin.value}`}
      kind="observed"
      answer={answer}
      expectedMs={120_000}
      csv={() => sheet(answer.peek().body)}
      table={() => sheet(answer.peek().body)}
      controls={
        <>
          <Picker
            label={says("ledger_venue")}
            isBare
            value={chosenVenue}
            choices={[
              { value: "all", label: `${says("ledger_venue")}: ${says("any")}` },
              ...VENUES.map((value) => ({ value, label: venue(value) })),
            ]}
          />
          <Picker
            label={says("ledger_channel")}
            isBare
            value={chosenChannel}
            choices={[
              { value: "all", label: `${says("ledger_channel")}: ${says("any")}` },
              ...CHANNEL_ORDER.map((value) => ({ value, label: channelWord(value) })),
            ]}
          />
          <Segments
            label={says("stream")}
            value={only}
            choices={[
              { value: "all", label: says("ledger_all") },
              { value: "gaps", label: says("ledger_gaps") },
            ]}
          />
          <Segments label={says("ledger_window")} value={hours} choices={windows} />
        </>
      }
    >
      {body === null ? null : <Ledger body={body} gapsOnly={only.value === "gaps"} />}
    </Panel>
  );
}

function Ledger({ body, gapsOnly }: { body: CoverageBody; gapsOnly: boolean }) {
  const isWhole = useSignal(false);
  const tracks = tracksOf(body, gapsOnly);
  const gaps = gapsOf(body.intervals);
  const [from, to] = [body.from_ms ?? 0, body.to_ms ?? 1];
  const shown = isWhole.value ? tracks : tracks.slice(0, FEW);
  return (
    <>
      <Key />
      {tracks.length === 0 ? <p class="dim nothing">{says(gapsOnly ? "no_gaps" : "no_streams")}</p> : null}
      <div class="tracks">
        {shown.map((track) => (
          <TrackRow key={track.key} track={track} from={from} to={to} />
        ))}
        {shown.length > 0 ? (
          <div class="track axis">
            <span />
            <TimeScale from={from} to={to} />
            <span />
          </div>
        ) : null}
      </div>
      {shown.length < tracks.length ? (
        <button
          type="button"
          class="more"
          onClick={() => {
            isWhole.value = true;
          }}
        >
          {says("more", { n: tracks.length })}
        </button>
      ) : null}
      {body.omitted > 0 ? <p class="warn omitted">{says("omitted", { n: body.omitted })}</p> : null}
      <Gaps gaps={gaps} />
    </>
  );
}

function Key() {
  return (
    <p class="ledger-key">
      {(["covered", "repaired", "open", "lost", "unknown"] as const).map((fate) => (
        <span key={fate}>
          <span class={`fate ${fate}`} aria-hidden="true" /> {says(fate)}
        </span>
      ))}
    </p>
  );
}

function TrackRow({ track, from, to }: { track: Track; from: number; to: number }) {
  const { stream } = track;
  const name = `${venue(stream.venue)} ${channelWord(stream.channel)}`;
  const label = says("timeline_label", {
    stream: `${name} ${stream.instrument ?? ""}`,
    share: share(stream.share),
    gaps: stream.gaps,
  });
  const detail = stream.completeness === null ? label : `${label} · ${says(stream.completeness)}`;
  return (
    <div class="track" title={detail}>
      <span class="track-name">
        {name} <span class="dim">{(stream.instrument ?? "").split(".")[0]}</span>
      </span>
      <Timeline label={label} intervals={track.intervals} from={from} to={to} />
      <span class="track-share num">
        {share(stream.share)}
        {stream.gaps > 0 ? <span class="warn"> · {stream.gaps}</span> : null}
      </span>
    </div>
  );
}

function Gaps({ gaps }: { gaps: readonly Interval[] }) {
  if (gaps.length === 0) return <p class="dim none">{says("no_gaps")}</p>;
  const shown = gaps.slice(0, MOST_GAPS);
  return (
    <>
      <Table
        caption={says("gaps")}
        rows={shown}
        rowKey={(one) => `${one.venue}${one.channel}${one.instrument}${one.from_ms}`}
        columns={[
          {
            key: "from",
            label: `${says("from")} (${zoneName()})`,
            show: (one) => datetime(one.from_ms),
            by: (one) => one.from_ms,
          },
          { key: "to", label: says("until"), show: (one) => clock(one.to_ms) },
          {
            key: "length",
            label: says("length"),
            show: (one) => age(one.to_ms - one.from_ms),
            by: (one) => one.to_ms - one.from_ms,
            isNumber: true,
          },
          {
            key: "stream",
            label: says("stream"),
            show: (one) => `${venue(one.venue)} ${channelWord(one.channel)} ${one.instrument ?? ""}`,
            by: (one) => `${one.venue}${one.channel}`,
          },
          {
            key: "cause",
            label: says("cause"),
            show: (one) => <code>{one.cause ?? UNKNOWN}</code>,
            by: (one) => one.cause,
          },
          { key: "fate", label: says("fate"), show: (one) => <Fate one={one} />, by: fateOf },
          {
            key: "source",
            label: says("source"),
            show: (one) => (one.source === null ? UNKNOWN : says(`${one.source}_kind`)),
          },
        ]}
      />
      {shown.length < gaps.length ? (
        <p class="dim none">{says("shown_of", { n: shown.length, of: gaps.length })}</p>
      ) : null}
    </>
  );
}

function Fate({ one }: { one: Interval }) {
  const fate = fateOf(one);
  return (
    <span class={fate === "repaired" ? "ok" : fate === "lost" ? "bad" : "warn"}>
      <span aria-hidden="true">{fate === "repaired" ? "◑" : fate === "lost" ? "✕" : "○"}</span> {says(fate)}
    </span>
  );
}
