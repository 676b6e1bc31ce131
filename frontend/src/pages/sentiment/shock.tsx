import type { ReadonlySignal, Signal } from "@preact/signals";
import { coin, parameter } from "../../app/route";
import { type Answer, useAnswer } from "../../live/answers";
import type { Body } from "../../live/api";
import type { Sheet } from "../../ui/export";
import { about, number, percent, price, share } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Picker } from "../../ui/picker";
import { Side } from "../../ui/tag";
import { words } from "../../words/vocabulary";
import "./cascades.css";
import { says } from "./shock_words";

export type CascadesBody = Body<"/api/v1/cascades">;
type Simulation = NonNullable<CascadesBody["simulation"]>;
type Story = Simulation["stories"][number];
const SHOCKS = ["1", "2", "3", "5", "10"] as const;

/** Events of the last day and a shock of the size in the address, per cent. */
export function useCascades() {
  const shock = parameter("shock", "5");
  const size = Math.min(80, Math.max(0.01, Number(shock.value) || 5));
  const answer = useAnswer("/api/v1/cascades", { symbol: coin.value, shocks_pct: [-size, size] }, { everyMs: 60_000 });
  return { answer, shock, size };
}

interface ShockProps {
  answer: ReadonlySignal<Answer<CascadesBody>>;
  shock: Signal<string>;
  /** Per cent, up and down. */
  size: number;
}

/** What a shock would set off now. */
export function ShockPanel({ answer, shock, size }: ShockProps) {
  const body = answer.value.body;
  return (
    <Panel
      id="shock"
      title={says("what_if")}
      kind="model"
      answer={answer}
      expectedMs={120_000}
      controls={
        <Picker
          label={says("shock")}
          value={shock}
          choices={SHOCKS.map((value) => ({ value, label: `±${value} %` }))}
        />
      }
      csv={() => storySheet(answer.peek().body)}
      table={() => storySheet(answer.peek().body)}
    >
      {body === null ? null : body.simulation === null ? (
        <p class="dim nothing">{says("no_simulation")}</p>
      ) : (
        <Stories simulation={body.simulation} size={size} />
      )}
    </Panel>
  );
}

function storySheet(body: CascadesBody | null): Sheet {
  return {
    name: `shock-${coin.peek()}`,
    columns: ["side", "move_pct", "quotes_left", "stop_pct", "stop_price", "amplification", "forced_usd", "levels"],
    rows: (body?.simulation?.stories ?? []).map((one) => [
      one.side,
      one.move_pct,
      one.survival,
      one.stop_pct,
      one.stop_price,
      one.amplification,
      one.forced_usd,
      one.levels,
    ]),
    notes: ["MODEL", ...(body?.simulation?.notes ?? [])],
  };
}

function Stories({ simulation, size }: { simulation: Simulation; size: number }) {
  return (
    <div class="stories">
      {(["LONG", "SHORT"] as const).map((side) => (
        <OneWay key={side} side={side} size={size} simulation={simulation} />
      ))}
      <AtRisk simulation={simulation} />
      <p class="dim">
        {says("depth_is", { usd: about(simulation.depth_at_one_percent_usd), basis: simulation.depth_basis })}
      </p>
    </div>
  );
}

/** How much further than the push: `×1.02`. */
export function times(value: number): string {
  return `×${number(value, value < 1.1 ? 3 : 2)}`;
}

/** One direction: the sentence for calm quotes, then what fewer quotes make of it, and where it feeds itself. */
function OneWay({ side, size, simulation }: { side: "LONG" | "SHORT"; size: number; simulation: Simulation }) {
  const stories = simulation.stories.filter((one) => one.side === side).sort((a, b) => b.survival - a.survival);
  const worst = stories.at(-1);
  const fed = simulation.feeding.filter((one) => one.side === side);
  const zones = fed.find((one) => one.zones.length > 0);
  if (worst === undefined) return null;
  return (
    <section class="story" aria-label={says(side === "LONG" ? "falls" : "rises")}>
      <p class="story-says">
        {says(side === "LONG" ? "if_falls" : "if_rises", { pct: number(size, Number.isInteger(size) ? 0 : 2) })}{" "}
        <b>{storyText(worst)}</b>{" "}
        <span class="dim">
          ({says("quotes_left")}: {quotesText(worst.survival)})
        </span>
      </p>
      {stories.some((one) => one.amplification > 1.02) ? <Reach stories={stories} size={size} /> : null}
      <section class="table-frame" aria-label={words("as_table", { title: says(side === "LONG" ? "falls" : "rises") })}>
        <table class="story-table">
          <thead>
            <tr>
              <th scope="col">{says("quotes_left")}</th>
              <th scope="col" class="number">
                {says("stops_at")}
              </th>
              <th scope="col" class="number">
                {says("amplification")}
              </th>
              <th scope="col" class="number">
                {says("forced")}
              </th>
            </tr>
          </thead>
          <tbody>
            {stories.map((one) => (
              <tr key={one.survival}>
                <th scope="row">{quotesText(one.survival)}</th>
                <td class="number">
                  {price(one.stop_price)} <span class="dim">{percent(one.stop_pct)}</span>
                </td>
                <td class="number">{times(one.amplification)}</td>
                <td class="number">{about(one.forced_usd)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p class="feeds">
        <span class="dim">{says("feeds_itself")}</span>{" "}
        {zones === undefined ? (
          says("feeds_nowhere", { ratio: number(Math.max(...fed.map((one) => one.largest_ratio), 0), 3) })
        ) : (
          <b class="num">
            {zones.zones.map(([low, high]) => `${price(low)}–${price(high)}`).join(", ")} · {quotesText(zones.survival)}
          </b>
        )}
      </p>
    </section>
  );
}

function storyText(one: Story): string {
  return says("story", {
    usd: about(one.forced_usd),
    side: says(one.side === "LONG" ? "longs" : "shorts"),
    price: price(one.stop_price),
    stop: percent(one.stop_pct),
    times: times(one.amplification),
  });
}

function quotesText(survival: number): string {
  if (survival >= 0.99) return says("all_quotes");
  return says(survival >= 0.2 ? "some_quotes" : "few_quotes", { share: share(survival, 0) });
}

/** The push and how far it goes beyond, on one scale for all shares of quotes. */
function Reach({ stories, size }: { stories: readonly Story[]; size: number }) {
  const most = Math.max(size, ...stories.map((one) => Math.abs(one.stop_pct)));
  return (
    <div class="reach" aria-hidden="true">
      {stories.map((one) => (
        <div key={one.survival} class={one.side === "LONG" ? "reach-row down" : "reach-row up"}>
          <span class="reach-push" style={{ width: `${(100 * size) / most}%` }} />
          <span class="reach-more" style={{ width: `${(100 * Math.max(0, Math.abs(one.stop_pct) - size)) / most}%` }} />
        </div>
      ))}
    </div>
  );
}

/** Forced dollars within an hour, four and a day, exceeded with chances of one half to one in a hundred. */
function AtRisk({ simulation }: { simulation: Simulation }) {
  const alphas = simulation.at_risk[0]?.alphas ?? [];
  if (alphas.length === 0) return null;
  return (
    <section class="at-risk">
      <h3>
        {says("at_risk")} <span class="dim">{says("at_risk_is")}</span>
      </h3>
      <section class="table-frame" aria-label={words("as_table", { title: says("at_risk") })}>
        <table class="story-table">
          <thead>
            <tr>
              <th scope="col">{says("horizon")}</th>
              {alphas.map((alpha) => (
                <th key={alpha} scope="col" class="number">
                  {says("chance", { share: share(1 - alpha, 0) })}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {simulation.at_risk.map((one) => (
              <tr key={`${one.side}${one.minutes}`}>
                <th scope="row">
                  {says("within_hours", { n: one.minutes / 60 })} <Side side={one.side as "LONG" | "SHORT"} />
                </th>
                {one.forced_usd.map((value, n) => (
                  <td key={alphas[n]} class="number" title={percent(one.stop_pct[n] ?? null)}>
                    {about(value)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  );
}
