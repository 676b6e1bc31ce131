import type { ReadonlySignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Answer } from "../../live/answers";
import { marketNow, second } from "../../live/clock";
import { standing } from "../../live/standing";
import type { Sheet } from "../../ui/export";
import { age, amount, datetime, number, UNKNOWN, venue, zoneName } from "../../ui/format";
import { Lamp, type LampState } from "../../ui/lamp";
import { Panel } from "../../ui/panel";
import type { StatusBody } from "./feeds";
import { says } from "./words";

const HEARTS = ["live", "stale", "gone", "none"] as const;

function sheet(body: StatusBody | null): Sheet {
  return {
    name: "standing",
    columns: ["what", "value"],
    rows: [
      ["status", body?.status ?? null],
      ["reason", body?.reason ?? null],
      ...(body?.troubles ?? []).map((one) => ["trouble", one]),
      ["heart", body?.heart.state ?? null],
      ["heart_heard_ms", body?.heart.heard_ms ?? null],
      ["market_rate", body?.heart.rate ?? null],
      ["database_bytes", body?.database_bytes ?? null],
      ["liquidations", body?.events?.total ?? null],
      ["retention_days", body?.retention_days ?? null],
      ...(body?.refused ?? []).map((one) => [
        `refused ${one.venue}`,
        `${new Date(one.until_ms).toISOString()} ${one.why}`,
      ]),
    ],
  };
}

/** The face, the heart, the store, and who refuses us. */
export function StandingPanel({ answer }: { answer: ReadonlySignal<Answer<StatusBody>> }) {
  const body = answer.value.body;
  return (
    <Panel
      id="standing"
      title={says("standing")}
      kind={null}
      answer={answer}
      expectedMs={10_000}
      csv={() => sheet(answer.peek().body)}
    >
      {body === null ? null : <Standing body={body} />}
    </Panel>
  );
}

function Standing({ body }: { body: StatusBody }) {
  const word = body.status === "READY" ? "ready" : body.status === "ERROR" ? "error" : "initializing";
  return (
    <>
      <p class={`standing-word ${word}`}>
        <b>
          <span aria-hidden="true">{word === "ready" ? "●" : word === "error" ? "✕" : "◌"}</span> {says(word)}
        </b>
        <span>{body.reason ?? (body.troubles.length === 0 ? says("all_well") : "")}</span>
      </p>
      {body.troubles.length === 0 ? null : (
        <div class="troubles">
          <b>{says("troubles")}</b>
          <ul>
            {body.troubles.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </div>
      )}
      <dl class="facts">
        <Fact name={says("heart")}>
          <Heart body={body} />
        </Fact>
        <Fact name={says("market_time")}>
          <MarketTime rate={body.heart.rate} />
        </Fact>
        <Fact name={says("bus")}>
          <Bus body={body} />
        </Fact>
        <Fact name={says("database")}>
          {body.database_bytes === null ? UNKNOWN : `${amount(body.database_bytes)}B`}
        </Fact>
        <Fact name={says("retention")}>
          {body.retention_days ? says("retention_days", { days: body.retention_days }) : says("retention_all")}
        </Fact>
        <Fact name={says("stored")}>
          <span class="num">{number(body.events?.total ?? null)}</span>{" "}
          <span class="dim">
            {says("stored_more", {
              day: number(body.events?.last_24h ?? null),
              hour: number(body.events?.last_1h ?? null),
            })}
          </span>
        </Fact>
        <Fact name={says("refused")}>{body.refused.length === 0 ? says("refused_none") : <Refused body={body} />}</Fact>
        <Fact name={says("for_programs")}>
          <span class="links">
            <a href="/metrics">{says("metrics")}</a>
            <a href="/docs">{says("docs")}</a>
            <a href="/openapi.json">{says("openapi")}</a>
            <a href="/api/v1/status">{says("raw_status")}</a>
          </span>
        </Fact>
      </dl>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Heart({ body }: { body: StatusBody }) {
  const state = HEARTS.find((one) => one === (standing.value.heart ?? body.heart.state)) ?? "none";
  const lamp: LampState = state;
  return (
    <>
      <Lamp state={lamp} withWord={false} /> {says(`heart_${state}`)}{" "}
      <span class="dim">{body.heart.heard_ms === null ? "" : says("heard", { age: age(body.heart.heard_ms) })}</span>
    </>
  );
}

function MarketTime({ rate }: { rate: number | null }) {
  second.value;
  const isReal = rate !== null && Math.abs(rate - 1) < 0.01;
  return (
    <>
      <span class="num">{datetime(marketNow())}</span> {zoneName()}{" "}
      <span class="dim">
        {rate === null ? "" : isReal ? says("rate_real") : says("rate", { rate: number(rate, rate < 10 ? 1 : 0) })}
      </span>
    </>
  );
}

function Bus({ body }: { body: StatusBody }) {
  const bus = body.bus ?? null;
  const missed = standing.value.missed;
  if (bus === null) return <>{UNKNOWN}</>;
  return (
    <>
      {bus.is_connected ? says("bus_ok") : <span class="warn">{says("bus_lost", { why: bus.why ?? UNKNOWN })}</span>}{" "}
      <span class={missed + bus.dropped > 0 ? "warn" : "dim"}>
        {says("bus_missed", { n: number(missed + bus.dropped) })}
      </span>
      {bus.queued > 0 ? <span class="dim"> · {says("bus_queued", { n: number(bus.queued) })}</span> : null}
    </>
  );
}

function Refused({ body }: { body: StatusBody }) {
  return (
    <ul class="warn">
      {body.refused.map((one) => (
        <li key={one.venue}>
          {says("refused_until", { venue: venue(one.venue), at: datetime(one.until_ms), why: one.why })}
        </li>
      ))}
    </ul>
  );
}
