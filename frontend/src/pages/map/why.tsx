/** "Why this level?": what a bin of the map is made of, and that it sums to it. */
import { useEffect, useRef } from "preact/hooks";
import { useAnswer } from "../../live/answers";
import type { Body, Query } from "../../live/api";
import { about, percent, share, usd, venue } from "../../ui/format";
import { Icon } from "../../ui/icon";
import { KindTag, Side } from "../../ui/tag";
import { words } from "../../words/vocabulary";
import { level } from "./profile_panel";
import { chosenVenues, explained, profile } from "./view";
import { says } from "./why_words";

type WhyBody = Body<"/api/v1/liquidation-map/why">;
type Part = WhyBody["parts"][number];

const SHOWN = 12;
const STATUS = ["ACTIVE", "PARTIAL", "CLEARED", "EMPTY"] as const;

function query(symbol: string): Query<"/api/v1/liquidation-map/why"> | null {
  const price = Number(explained.value);
  if (explained.value === "" || !(price > 0)) return null;
  const chosen = chosenVenues.value;
  const exchanges = chosen.length ? { exchanges: chosen.join(",") as never } : {};
  return { symbol, price, profile: profile.value as never, top: SHOWN, ...exchanges };
}

/** How a class reads: "20×", "20× large", "0.60 % away". */
function classOf(part: Part): string {
  if (part.kind === "distance") return says("why_distance");
  if (part.kind === "measured") return says("why_measured_part");
  if (part.kind === "borrowed") return says("why_borrowed", { of: part.shape_of ?? "—" });
  if (part.leverage === null) return says("why_away", { rung: part.rung ?? "—" });
  const large = part.rung?.endsWith("large") ? ` ${says("why_large")}` : "";
  return `${part.leverage}×${large}`;
}

function Facts({ body }: { body: WhyBody }) {
  const status = STATUS.find((one) => one === body.status) ?? "EMPTY";
  return (
    <dl class="facts">
      <dt>{says("why_side")}</dt>
      <dd>
        <Side side={body.side === "LONG" ? "LONG" : "SHORT"} />{" "}
        <b>{says("why_range", { low: level(body.low ?? 0), high: level(body.high ?? 0) })}</b>{" "}
        <span class="dim">{percent(body.distance_pct)}</span>
      </dd>
      <dt>{says("why_usd")}</dt>
      <dd>
        <b>{about(body.usd)}</b> <KindTag kind="model" />
      </dd>
      <dt>{says("why_gross")}</dt>
      <dd>
        {about(body.gross_usd)}{" "}
        <span class="dim">
          {says("why_was", { was: usd(body.was_usd), percent: percent(body.remaining_pct, 0, false) })}
        </span>
      </dd>
      <dt>{says("why_status")}</dt>
      <dd>{says(status)}</dd>
      {body.measured_usd ? (
        <>
          <dt>{says("why_measured")}</dt>
          <dd>
            {usd(body.measured_usd)} <KindTag kind="observed" />
          </dd>
        </>
      ) : null}
    </dl>
  );
}

function Line({ part, whole }: { part: Part; whole: number }) {
  const of = whole > 0 ? part.usd / whole : 0;
  return (
    <tr>
      <td>{venue(part.venue)}</td>
      <td>{classOf(part)}</td>
      <td class="number">
        {part.entry_low === null || part.entry_high === null
          ? "—"
          : says("why_range", { low: level(part.entry_low), high: level(part.entry_high) })}
      </td>
      <td class="number">
        {about(part.usd)}
        <i class="share" style={{ width: `${(100 * of).toFixed(1)}%` }} />
      </td>
      <td class="number dim">{share(of, 0)}</td>
    </tr>
  );
}

function Parts({ body }: { body: WhyBody }) {
  const whole = body.usd ?? 0;
  const others = body.others;
  const lenders = body.parts.filter((part) => part.kind === "borrowed");
  return (
    <>
      <table>
        <caption class="unseen">{says("why_from")}</caption>
        <thead>
          <tr>
            <th>{says("why_venue")}</th>
            <th>{says("why_leverage")}</th>
            <th class="number">{says("why_entry")}</th>
            <th class="number" colSpan={2}>
              {says("why_dollars")}
            </th>
          </tr>
        </thead>
        <tbody>
          {body.parts.map((part, at) => (
            <Line key={at} part={part} whole={whole} />
          ))}
          {others?.count ? (
            <tr class="dim">
              <td colSpan={3}>{says("why_others", { n: others.count })}</td>
              <td class="number">{about(others.usd)}</td>
              <td class="number">{share(whole > 0 ? others.usd / whole : 0, 0)}</td>
            </tr>
          ) : null}
        </tbody>
        <tfoot>
          <tr>
            <td colSpan={3}>{says("why_sum")}</td>
            <td class="number">
              <b>{about(whole)}</b>
            </td>
            <td />
          </tr>
        </tfoot>
      </table>
      {body.parts.some((part) => part.kind === "distance") ? <p class="note dim">{says("why_note")}</p> : null}
      {lenders.map((part) => (
        <p class="note dim" key={part.venue}>
          {says("why_borrowed_note", { venue: venue(part.venue), of: part.shape_of ?? "—" })}
        </p>
      ))}
    </>
  );
}

/** The explanation of the level in the address (`why=62528`); nothing where none is asked for. */
export function Why({ symbol }: { symbol: string }) {
  const wanted = query(symbol);
  const answer = useAnswer("/api/v1/liquidation-map/why", wanted, { everyMs: 60_000 });
  const closing = useRef<HTMLButtonElement>(null);
  const isOpen = wanted !== null;
  useEffect(() => {
    if (!isOpen) return undefined;
    const before = document.activeElement;
    closing.current?.focus({ preventScroll: true });
    return () => (before instanceof HTMLElement ? before.focus({ preventScroll: true }) : undefined);
  }, [isOpen]);
  if (!isOpen) return null;
  const { body, problem } = answer.value;
  return (
    <section class="why" role="dialog" aria-labelledby="why-title" data-panel="why">
      <header>
        <h2 id="why-title">{says("why")}</h2>
        <KindTag kind="model" />
        <button
          ref={closing}
          type="button"
          class="icon"
          aria-label={words("close")}
          onClick={() => {
            explained.value = "";
          }}
        >
          <Icon name="close" />
        </button>
      </header>
      <div class="content">
        {body?.usd == null ? (
          <p class="dim" role="status">
            {problem ? says("why_fails", { why: problem.message }) : says("why_making")}
          </p>
        ) : (
          <>
            <Facts body={body} />
            <Parts body={body} />
          </>
        )}
      </div>
    </section>
  );
}
