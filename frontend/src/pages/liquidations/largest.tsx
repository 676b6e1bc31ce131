import type { ReadonlySignal } from "@preact/signals";
import type { Answer } from "../../live/answers";
import { coinOf } from "../../live/quote";
import { clock, clockZoned, price, usd, usdWhole, venue } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Side } from "../../ui/tag";
import { sheetOf } from "./rows";
import { hoursOf, symbolOf, type TotalsBody } from "./totals";
import { says } from "./words";

/** The largest of the window that were published. */
export function LargestPanel({ answer }: { answer: ReadonlySignal<Answer<TotalsBody>> }) {
  const body = answer.value.body;
  const rows = body?.largest ?? [];
  const most = rows[0]?.usd ?? 1;
  const isMixed = new Set(rows.map((row) => coinOf(row.instrument))).size > 1;
  const form = hoursOf() > 24 ? "datetime" : "second";
  const told = () => sheetOf(answer.peek().body?.largest ?? [], `largest-${symbolOf()}-${hoursOf()}h`);
  return (
    <Panel
      id="largest"
      title={says("largest")}
      kind="observed"
      answer={answer}
      feeds={["liquidations"]}
      csv={told}
      table={told}
    >
      {rows.length === 0 ? (
        <p class="dim none">{body ? says("none") : null}</p>
      ) : (
        <ol class="largest">
          {rows.map((row, n) => (
            <li
              key={`${row.time_ms}${row.instrument}${n}`}
              class={row.side === "LONG" ? "of-long" : "of-short"}
              title={clockZoned(row.time_ms)}
            >
              <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect width={(100 * row.usd) / most} height="10" />
              </svg>
              <b class="number" title={usdWhole(row.usd)}>
                {usd(row.usd)}
              </b>
              <Side side={row.side} />
              <span class="where">
                {venue(row.venue)} {isMixed ? <span class="dim">{row.symbol}</span> : null}
              </span>
              <span class="number">{price(row.price)}</span>
              <time class="dim number">{clock(row.time_ms, form).replace(/^\d{4}-/, "")}</time>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
