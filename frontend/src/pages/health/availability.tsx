import type { ReadonlySignal } from "@preact/signals";
import type { Answer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { age } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { ByVenue } from "./by_venue";
import { channelWord, kindWord } from "./channels";
import type { StatusBody } from "./feeds";
import { says } from "./words";

type Available = StatusBody["availability"][number];
/** Days that stand for "since it was listed" (docs/api.md). */
const SINCE_LISTED = 36_500;
const DAY_MS = 86_400_000;

function sheet(rows: readonly Available[]): Sheet {
  return {
    name: "availability",
    columns: ["venue", "channel", "kind", "how", "every_s", "days_back"],
    rows: rows.map((one) => [one.venue, one.channel, one.kind, one.how, one.every_s, one.days_back]),
    notes: ["days_back 36500 = since the contract was listed"],
  };
}

/** How each venue tells what: streamed, asked for, only afterwards, or not at all. */
export function AvailabilityPanel({ answer }: { answer: ReadonlySignal<Answer<StatusBody>> }) {
  const body = answer.value.body;
  const rows = body?.availability ?? [];
  const venues = [...new Set(rows.map((one) => one.venue))];
  const kinds = [...new Map(rows.map((one) => [`${one.channel}/${one.kind}`, one])).values()];
  return (
    <Panel
      id="availability"
      title={says("availability")}
      kind={null}
      answer={answer}
      asOfMs={null}
      empty={body !== null && rows.length === 0}
      csv={() => sheet(rows)}
      table={() => sheet(rows)}
    >
      <ByVenue title={says("availability")} rows={says("data")} venues={venues} class="matrix available">
        {kinds.map((kind) => (
          <tr key={`${kind.channel}/${kind.kind}`}>
            <th scope="row">
              {channelWord(kind.channel)}
              {kind.kind === null ? null : <span class="dim"> {kindWord(kind.kind)}</span>}
            </th>
            {venues.map((name) => (
              <Cell
                key={name}
                one={rows.find((row) => row.venue === name && row.channel === kind.channel && row.kind === kind.kind)}
              />
            ))}
          </tr>
        ))}
      </ByVenue>
    </Panel>
  );
}

function Cell({ one }: { one: Available | undefined }) {
  if (one === undefined || one.how === "not published") return <td class="dim how-none">✕ {says("not_published")}</td>;
  const back =
    one.days_back === null
      ? says("back_none")
      : one.days_back >= SINCE_LISTED
        ? says("back_all")
        : says("back_days", { days: age(one.days_back * DAY_MS) });
  return (
    <td>
      <span class="how-glyph" aria-hidden="true">
        {one.how === "streamed" ? "●" : one.how === "polled" ? "◐" : "○"}
      </span>{" "}
      {one.how === "streamed"
        ? says("streamed")
        : one.how === "polled"
          ? says("polled", { every: one.every_s === null ? "" : age(one.every_s * 1000) })
          : says("afterwards")}
      <span class="how-back dim">{back}</span>
    </td>
  );
}
