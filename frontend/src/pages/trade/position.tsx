import type { ComponentChildren } from "preact";
import type { Point } from "../../charts/scale";
import { Spark } from "../../charts/spark";
import { number, percent, price, signed } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { words } from "../../words/vocabulary";
import { type OfRun, ofRun } from "./card";
import { awayOf, type Held, netOf, type Place, placesOf, protectionOf, type Status } from "./figures";
import { says } from "./words";

const tone = (value: number): string => (value < 0 ? "bad" : value > 0 ? "ok" : "");
const MARKS: Record<Place["name"], string> = { liquidation: "✕", stop: "■", entry: "○", mark: "●" };

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What is held, how far from its end it is, and whether the exchange has confirmed its stop. */
export function PositionPanel(props: OfRun) {
  const { status } = props.run;
  const protection = protectionOf(status);
  return (
    <Panel id={`trade-position-${status.run}`} class="trade-position" title={says("position")} {...ofRun(props)}>
      <div data-protection={protection}>
        {protection === "flat" ? <p class="dim none">{says("flat_is")}</p> : <Position status={status} />}
        <p class="naked-most dim">{says("naked_max", { s: number(status.naked_seconds_max, 1) })}</p>
      </div>
    </Panel>
  );
}

function Position({ status }: { status: Status }) {
  const { held } = status;
  const isLong = held.side === "LONG";
  return (
    <>
      <p class="held-line">
        <b class={isLong ? "long" : "short"}>
          {isLong ? "▲" : "▼"} {words(isLong ? "long" : "short")} {String(held.size)}
        </b>
        <b class={`num ${tone(held.unrealised)}`} title={says("unrealised")}>
          {signed(held.unrealised)}
        </b>
      </p>
      <Protection status={status} />
      <Nearness held={held} />
      <dl class="facts">
        <Fact name={`${MARKS.entry} ${says("entry")}`}>
          <span class="num">{price(held.entry_price)}</span>
        </Fact>
        <Fact name={`${MARKS.mark} ${says("mark")}`}>
          <span class="num">{price(held.mark)}</span>
        </Fact>
        <Fact name={`${MARKS.liquidation} ${says("liquidation")}`}>
          <Level value={held.liquidation_price} mark={held.mark} />
        </Fact>
        <Fact name={`${MARKS.stop} ${says("stop")}`}>
          <Level value={held.stop} mark={held.mark} />
        </Fact>
        <Fact name={says("margin")}>
          <span class="num">{number(held.margin, 2)}</span>
        </Fact>
      </dl>
    </>
  );
}

function Level({ value, mark }: { value: number | null; mark: number | null }) {
  const away = awayOf(value, mark);
  return (
    <>
      <span class="num">{price(value)}</span>{" "}
      {away === null ? null : <span class="dim num">{says("away", { pct: percent(100 * away) })}</span>}
    </>
  );
}

function Protection({ status }: { status: Status }) {
  if (protectionOf(status) === "naked") {
    return (
      <p class="naked" role="alert">
        <b>✕ {says("naked")}</b> {says("naked_is", { s: number(status.naked_seconds_now, 1) })}
      </p>
    );
  }
  return (
    <p class="stopped ok">
      ● {says("stop")} {price(status.held.stop)} · {says(status.kind === "live" ? "stop_ok" : "stop_simulated")}
    </p>
  );
}

/** The four prices on one line: the nearer two marks, the nearer the end. */
function Nearness({ held }: { held: Held }) {
  const places = placesOf(held);
  if (places.length < 2) return null;
  const said = places.map(({ name }) => `${says(name)} ${price(priceOf(held, name))}`).join(", ");
  return (
    <div class="nearness" role="img" aria-label={`${says("places")}: ${said}`}>
      {places.map(({ name, at }) => (
        <span key={name} class={`place-${name}`} style={{ left: `${(100 * at).toFixed(2)}%` }} title={says(name)}>
          {MARKS[name]}
        </span>
      ))}
    </div>
  );
}

function priceOf(held: Held, name: Place["name"]): number | null {
  if (name === "liquidation") return held.liquidation_price;
  if (name === "stop") return held.stop;
  return name === "entry" ? held.entry_price : held.mark;
}

/** What the run has come to so far: gross, and what each cost took. */
export function AccountPanel(props: OfRun & { points: readonly Point[] }) {
  const { status } = props.run;
  const { money, held } = status;
  const { net, share } = netOf(status);
  return (
    <Panel
      id={`trade-account-${status.run}`}
      class="trade-account"
      title={says("money")}
      {...ofRun(props)}
      csv={() => ({
        name: `account-${status.run}`,
        columns: ["run", "kind", "data", "deposit", "equity", "realised", "unrealised", "fees", "funding"],
        rows: [
          [
            ...[status.run, status.kind, status.data, money.deposit, money.equity, money.realised],
            ...[held.unrealised, money.fees, money.funding],
          ],
        ],
        notes: [props.run.label],
      })}
    >
      <dl class="headline">
        <div>
          <dt class="dim">{says("equity")}</dt>
          <dd class="num">{number(money.equity, 2)}</dd>
        </div>
        <div>
          <dt class="dim">{says("net")}</dt>
          <dd class="num">
            <span class={tone(net)}>{signed(net)}</span>
          </dd>
          <dd class="dim num headline-note">{percent(share === null ? null : 100 * share)}</dd>
        </div>
      </dl>
      {props.points.length < 2 ? null : (
        <div class="equity-line">
          <Spark label={says("equity_line")} points={props.points} colour="var(--accent)" height={44} />
        </div>
      )}
      <dl class="facts">
        <Fact name={says("unrealised")}>
          <span class={`num ${tone(held.unrealised)}`}>{signed(held.unrealised)}</span>
        </Fact>
        <Fact name={says("realised")}>
          <span class={`num ${tone(money.realised)}`}>{signed(money.realised)}</span>
        </Fact>
        <Fact name={says("fees")}>
          <span class="num">{signed(-money.fees)}</span>
        </Fact>
        <Fact name={says("funding")}>
          <span class="num">{signed(-money.funding)}</span>
        </Fact>
        <Fact name={says("deposit")}>
          <span class="num">{number(money.deposit, 2)}</span>
        </Fact>
      </dl>
    </Panel>
  );
}
