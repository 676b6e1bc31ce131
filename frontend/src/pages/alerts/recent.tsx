import type { ReadonlySignal, Signal } from "@preact/signals";
import { coin, href } from "../../app/route";
import type { Answer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { about, age, datetime, iso, percent, price, UNKNOWN, usd, venue, zoneName } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Segments } from "../../ui/picker";
import { Table } from "../../ui/table";
import { DataTag, Side } from "../../ui/tag";
import { words } from "../../words/vocabulary";
import { measureText } from "./measure_text";
import { type AlertsBody, severityWord } from "./rules";
import { ruleTitle, says } from "./words";

type Told = AlertsBody["alerts"][number];

function sheet(body: AlertsBody | null): Sheet {
  return {
    name: "alerts",
    columns: [
      "time",
      "rule",
      "coin",
      "severity",
      "phase",
      "side",
      "values",
      "price",
      "move_pct_5m",
      "hit",
      "lead_s",
      "held_back",
      "data",
    ],
    rows: (body?.alerts ?? []).map(({ alert, hit, lead_s, held_back }) => [
      ...[iso(alert.at_ms), alert.rule, alert.coin, alert.severity, alert.phase, alert.side],
      Object.entries(alert.values)
        .map(([name, value]) => `${name}=${value}`)
        .join("; "),
      ...[alert.facts.price, alert.facts.move_pct, hit === null ? null : String(hit), lead_s, held_back, alert.data],
    ]),
    notes: body?.meta.notes ?? [],
  };
}

/** What was raised lately, and what became of it. */
export function RecentPanel({ answer, of }: { answer: ReadonlySignal<Answer<AlertsBody>>; of: Signal<string> }) {
  const body = answer.value.body;
  return (
    <Panel
      id="alert-list"
      title={says("recent")}
      kind={null}
      answer={answer}
      csv={() => sheet(answer.peek().body)}
      table={() => sheet(answer.peek().body)}
      controls={
        <Segments
          label={says("coins")}
          value={of}
          choices={[
            { value: "all", label: says("every_coin") },
            { value: "coin", label: says("this_coin", { coin: coin.value }) },
          ]}
        />
      }
    >
      {body === null ? null : body.alerts.length === 0 ? (
        <p class="dim none">{of.value === "coin" ? says("none_of", { coin: coin.value }) : says("none_yet")}</p>
      ) : (
        <ol class="alert-list">
          {body.alerts.map((told) => (
            <AlertRow key={told.alert.id} told={told} />
          ))}
        </ol>
      )}
    </Panel>
  );
}

function AlertRow({ told }: { told: Told }) {
  const { alert, held_back } = told;
  return (
    <li class={`alert ${alert.severity}`} data-phase={alert.phase}>
      <p class="alert-head">
        <span class="num dim">{datetime(alert.at_ms)}</span>
        <a href={href("map", { coin: alert.coin })}>{alert.coin}</a>
        <b>{ruleTitle(alert.rule, alert.title)}</b>
        {alert.side === null ? null : <Side side={alert.side} />}
        <span class={`severity ${alert.severity}`}>{severityWord(alert.severity)}</span>
        <span class="chip">{says(`${alert.phase}_phase`)}</span>
        <DataTag data={alert.data} />
      </p>
      <p class="alert-facts num">
        {Object.entries(alert.values).map(([name, value]) => (
          <span key={name}>
            <span class="dim">{name}</span> {measureText(name, value)}
          </span>
        ))}
        <Facts told={told} />
      </p>
      <p class="alert-fate">
        <Outcome told={told} />
        {held_back === null ? null : <span class="warn">{says("held_back", { why: held_back })}</span>}
        {alert.is_silent ? <span class="dim">{says("silent")}</span> : null}
      </p>
    </li>
  );
}

function Facts({ told }: { told: Told }) {
  const { facts } = told.alert;
  const { cluster } = facts;
  return (
    <>
      {facts.price === null ? null : <span>{says("price", { price: price(facts.price) })}</span>}
      {facts.move_pct === null ? null : <span>{says("move", { move: percent(facts.move_pct) })}</span>}
      {facts.largest_usd === null ? null : (
        <span>
          {says("largest", {
            usd: usd(facts.largest_usd),
            venue: facts.largest_venue === null ? "" : venue(facts.largest_venue),
          })}
        </span>
      )}
      {cluster === null ? null : (
        <span>
          {says("cluster", {
            price: price(cluster.price),
            distance: percent(cluster.distance_pct),
            usd: about(cluster.usd),
          })}{" "}
          <span class="tag model">{words("model")}</span>
        </span>
      )}
    </>
  );
}

function Outcome({ told }: { told: Told }) {
  if (!told.is_judged) return <span class="dim">◌ {says("unjudged")}</span>;
  if (told.hit === null) return <span class="dim">— {says("unseen")}</span>;
  if (!told.hit) return <span class="warn">✕ {says("miss")}</span>;
  return (
    <span class="ok">
      ✓ {told.lead_s === null ? says("hit_plain") : says("hit", { lead: age(told.lead_s * 1_000) })}
    </span>
  );
}

/** Messages, newest first: to whom, and whether they went. */
export function DeliveriesPanel({ answer }: { answer: ReadonlySignal<Answer<AlertsBody>> }) {
  const body = answer.value.body;
  const rows = body?.deliveries ?? [];
  return (
    <Panel
      id="deliveries"
      title={says("deliveries")}
      kind={null}
      answer={answer}
      asOfMs={null}
      csv={() => ({
        name: "deliveries",
        columns: ["time", "sink", "alert", "phase", "is_sent", "why"],
        rows: rows.map((one) => [iso(one.at_ms), one.sink, one.alert_id, one.phase, String(one.is_sent), one.why]),
      })}
    >
      {rows.length === 0 ? (
        <p class="dim none">{says("no_deliveries")}</p>
      ) : (
        <Table
          caption={says("deliveries")}
          rows={rows}
          rowKey={(one) => `${one.at_ms}${one.sink}${one.alert_id}${one.phase}`}
          columns={[
            {
              key: "time",
              label: `${says("time")} (${zoneName()})`,
              show: (one) => datetime(one.at_ms),
              by: (one) => one.at_ms,
            },
            {
              key: "result",
              label: says("result"),
              show: (one) => <Result one={one} />,
              by: (one) => String(one.is_sent),
            },
            { key: "sink", label: says("sink"), show: (one) => one.sink, by: (one) => one.sink },
            { key: "alert", label: says("alert"), show: (one) => alertName(one.alert_id), by: (one) => one.alert_id },
            { key: "phase", label: says("phase"), show: (one) => phaseWord(one.phase) },
          ]}
        />
      )}
    </Panel>
  );
}

function Result({ one }: { one: AlertsBody["deliveries"][number] }) {
  if (one.is_sent) return <span class="ok">✓ {says("sent")}</span>;
  return <span class="bad">✕ {says("failed", { why: one.why ?? UNKNOWN })}</span>;
}

/** An alert by its id: its rule and its coin. */
function alertName(id: string): string {
  const [rule = id, symbol = ""] = id.split(":");
  return `${ruleTitle(rule, rule)} ${symbol}`.trim();
}

function phaseWord(phase: string): string {
  const known = (["raised", "updated", "cleared"] as const).find((one) => one === phase);
  return known === undefined ? phase : says(`${known}_phase`);
}
