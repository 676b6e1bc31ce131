import type { ReadonlySignal } from "@preact/signals";
import { coin } from "../../app/route";
import type { Answer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { clockZoned, iso, number, share, signed, venue } from "../../ui/format";
import { Panel } from "../../ui/panel";
import type { SignalRow, SignalsBody } from "./figures";
import { says } from "./words";

/** Rows of a model's own word, the newest of each contract first. */
export function forecasts(body: SignalsBody | null): SignalRow[] {
  const rows = (body?.signals ?? []).filter((row) => row.p_up !== null && row.p_down !== null);
  const seen = new Set<string>();
  return rows
    .sort((a, b) => b.at_ms - a.at_ms)
    .filter((row) => !seen.has(row.instrument) && seen.add(row.instrument) !== undefined);
}

function sheet(body: SignalsBody | null): Sheet {
  return {
    name: `forecasts-${coin.peek()}`,
    columns: ["time", "instrument", "p_up", "p_down", "edge", "edge_bps", "confidence", "side"],
    rows: forecasts(body).map((row) => [
      ...[iso(row.at_ms), row.instrument, row.p_up, row.p_down, row.edge, row.edge_bps, row.confidence, row.side],
    ]),
    notes: ["MODEL"],
  };
}

/** What the model says, and whether that is worth anything: without a shown edge it is FLAT. */
export function ModelPanel({ answer }: { answer: ReadonlySignal<Answer<SignalsBody>> }) {
  const body = answer.value.body;
  const rows = forecasts(body);
  const isPromoted = rows.some((row) => row.edge === "promoted");
  return (
    <Panel
      id="signal-model"
      title={says("model")}
      kind="model"
      answer={answer}
      {...(body === null || rows.length > 0 ? {} : { state: { name: "ready" } as const })}
      csv={() => sheet(answer.peek().body)}
      table={() => sheet(answer.peek().body)}
    >
      {rows.length === 0 ? (
        <p class="dim none">{says("model_none", { coin: coin.value })}</p>
      ) : (
        <div class="model-word">
          <p class={isPromoted ? "ok" : ""}>
            <b>
              {isPromoted ? "●" : "◌"} {says(isPromoted ? "model_promoted" : "model_flat")}
            </b>
          </p>
          {rows.map((row) => (
            <Forecast key={row.instrument} row={row} />
          ))}
        </div>
      )}
    </Panel>
  );
}

function Forecast({ row }: { row: SignalRow }) {
  const up = row.p_up ?? 0;
  const down = row.p_down ?? 0;
  const rest = Math.max(0, 1 - up - down);
  return (
    <div class="forecast">
      <p>
        <b>{venue(row.venue)}</b> <span class="dim">{says("for_candle", { at: clockZoned(row.at_ms) })}</span>
      </p>
      <div class="chances" role="img" aria-label={says("probabilities", { up: share(up, 0), down: share(down, 0) })}>
        <span class="chance-up" style={{ width: `${100 * up}%` }} />
        <span style={{ width: `${100 * rest}%` }} />
        <span class="chance-down" style={{ width: `${100 * down}%` }} />
      </div>
      <p class="forecast-facts num">
        <span class="long">
          ▲ {says("p_up")} {share(up, 0)}
        </span>
        <span class="dim">
          {says("p_rest")} {share(rest, 0)}
        </span>
        <span class="short">
          ▼ {says("p_down")} {share(down, 0)}
        </span>
        <span>
          <span class="dim">{says("edge_bps")}</span> {signed(row.edge_bps, 1)} {says("bps_of")}
        </span>
        <span>
          <span class="dim">{says("confidence")}</span> {number(row.confidence, 2)}
        </span>
      </p>
    </div>
  );
}
