import type { ReadonlySignal } from "@preact/signals";
import { coin } from "../../app/route";
import type { Answer } from "../../live/answers";
import type { Sheet } from "../../ui/export";
import { number, UNKNOWN } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Side } from "../../ui/tag";
import type { SentimentBody } from "./figures";
import "./risk.css";
import { says } from "./words";

type Risk = NonNullable<SentimentBody["risk"]>;
const LETTERS: Readonly<Record<string, string>> = { funding: "F", volatility: "V", open_interest: "O", volume: "S" };
const PARTS = ["funding", "volatility", "open_interest", "volume"] as const;
const isPart = (name: string): name is (typeof PARTS)[number] => (PARTS as readonly string[]).includes(name);
const LEVELS = ["LOW", "ELEVATED", "HIGH", "EXTREME"] as const;
const isLevel = (name: string | null): name is (typeof LEVELS)[number] =>
  (LEVELS as readonly (string | null)[]).includes(name);

/** The formula with today's numbers in it: `100 × (.30 · 1.00 + …)`. */
export function formula(risk: Risk): { letters: string; numbers: string } {
  const weight = (value: number) => value.toFixed(2).replace(/^0/, "");
  const known = risk.score.parts.filter((part) => part.level !== null);
  const sum = known.reduce((total, part) => total + part.weight, 0);
  const over = sum > 0 && sum < 0.995 ? ` ÷ ${weight(sum)}` : "";
  return {
    letters: `100 × (${known.map((part) => `${weight(part.weight)} ${LETTERS[part.name] ?? part.name}`).join(" + ")})${over}`,
    numbers: `100 × (${known.map((part) => `${weight(part.weight)} · ${number(part.level, 2)}`).join(" + ")})${over} = ${number(risk.score.value, 1)}`,
  };
}

function sheet(risk: Risk | null): Sheet {
  return {
    name: `risk-${coin.peek()}`,
    columns: ["part", "level", "weight", "points", "history_quarter_hours"],
    rows: (risk?.score.parts ?? []).map((part) => [
      part.name,
      part.level,
      part.weight,
      part.points,
      risk?.history[part.name] ?? null,
    ]),
    notes: ["MODEL", risk === null ? "" : `risk = ${formula(risk).numbers}`],
  };
}

/** The risk score with its formula, today's numbers in it, and which side bears it. */
export function RiskPanel({ answer }: { answer: ReadonlySignal<Answer<SentimentBody>> }) {
  const body = answer.value.body;
  const risk = body?.risk ?? null;
  return (
    <Panel
      id="risk"
      title={says("risk")}
      kind="model"
      answer={answer}
      empty={body !== null && risk === null}
      csv={() => sheet(answer.peek().body?.risk ?? null)}
      table={() => sheet(answer.peek().body?.risk ?? null)}
      footer={<p class="dim">{says("risk_says")}</p>}
    >
      {risk === null ? null : <Score risk={risk} />}
    </Panel>
  );
}

function Score({ risk }: { risk: Risk }) {
  const { value, parts } = risk.score;
  const told = formula(risk);
  const level = isLevel(risk.level) ? risk.level : null;
  return (
    <div class="risk-body">
      <p class="risk-value" data-level={level ?? "none"}>
        <b class="num">{value === null ? UNKNOWN : number(value, 1)}</b> <span class="dim">{says("of_100")}</span>
        <span class="risk-word">{level === null ? says("unknown") : says(level)}</span>
      </p>
      <RiskScale value={value} />
      <dl class="risk-parts">
        {parts.map((part) => (
          <div key={part.name} class="risk-part">
            <dt>
              <span>
                {isPart(part.name) ? says(`risk_${part.name}`) : part.name} <i>{LETTERS[part.name]}</i>
              </span>
              <span class="dim">{isPart(part.name) ? says(`risk_${part.name}_is`) : ""}</span>
            </dt>
            <dd>
              <span class="meter" aria-hidden="true">
                <span style={{ width: `${100 * (part.level ?? 0)}%` }} />
              </span>
              <span class="num">{part.level === null ? UNKNOWN : number(part.level, 2)}</span>
              <span class="num risk-points">+{number(part.points, 1)}</span>
            </dd>
          </div>
        ))}
      </dl>
      <div class="formula" role="note" aria-label={says("with_today")}>
        <code>{told.letters}</code>
        <code>= {told.numbers}</code>
      </div>
      <Bearers risk={risk} />
    </div>
  );
}

function RiskScale({ value }: { value: number | null }) {
  return (
    <div class="risk-scale" role="img" aria-label={says("risk_label", { value: number(value) })}>
      <span class="low" />
      <span class="elevated" />
      <span class="high" />
      <span class="extreme" />
      {value === null ? null : <i style={{ left: `${value}%` }} />}
    </div>
  );
}

function Bearers({ risk }: { risk: Risk }) {
  const { long, short } = risk.score;
  if (long === null || short === null) return null;
  const whole = long + short || 1;
  return (
    <div class="bearers">
      <p>
        <span class="dim">{says("who_bears")}</span>
        <span>
          <Side side="LONG" /> <b class="num">{number(long, 1)}</b>
        </span>
        <span>
          <Side side="SHORT" /> <b class="num">{number(short, 1)}</b>
        </span>
      </p>
      <div class="split" aria-hidden="true">
        <span class="split-long" style={{ width: `${(100 * long) / whole}%` }} />
        <span class="split-short" style={{ width: `${(100 * short) / whole}%` }} />
      </div>
    </div>
  );
}
