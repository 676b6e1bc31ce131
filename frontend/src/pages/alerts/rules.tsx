import type { ReadonlySignal } from "@preact/signals";
import type { Answer } from "../../live/answers";
import type { Body } from "../../live/api";
import type { Sheet } from "../../ui/export";
import { age, datetime, number, share, UNKNOWN } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { ruleTitle, says } from "./words";

export type AlertsBody = Body<"/api/v1/alerts">;
export type Rule = AlertsBody["rules"][number];
type Score = NonNullable<Rule["score"]>;
const STAGES = ["raised", "pending", "cooling", "quiet", "waiting", "unwatched"] as const;
const GLYPHS = { raised: "◆", pending: "◔", cooling: "◑", quiet: "●", waiting: "◌", unwatched: "◌" } as const;
const VERDICTS = { better: "better", "like chance": "like_chance", worse: "worse", unproven: "unproven" } as const;
type Stage = (typeof STAGES)[number];

/** A stage that is known here; anything newer counts as not watched. */
export function stageOf(name: string): Stage {
  return STAGES.find((one) => one === name) ?? "unwatched";
}

function sheet(body: AlertsBody | null): Sheet {
  return {
    name: "alert-rules",
    columns: [
      "rule",
      "when",
      "expects",
      "severity",
      "stage",
      "muted",
      "verdict",
      "alerts",
      "hits",
      "hit_rate",
      "low_95",
      "high_95",
      "chance",
      "chance_alike",
      "lead_s",
      "false_alarms_per_day",
      "days",
    ],
    rows: (body?.rules ?? []).map((rule) => {
      const { score } = rule;
      return [
        ...[
          rule.name,
          rule.when,
          rule.expects,
          rule.severity,
          rule.stage,
          rule.muted?.why ?? null,
          score?.verdict ?? null,
        ],
        ...[score?.n ?? null, score?.hits ?? null, score?.hit_rate ?? null, score?.low ?? null, score?.high ?? null],
        ...[
          score?.chance ?? null,
          score?.chance_alike ?? null,
          score?.lead_s ?? null,
          score?.false_alarms_per_day ?? null,
          score?.days ?? null,
        ],
      ];
    }),
    notes: body?.meta.notes ?? [],
  };
}

/** Each rule with its state and its score beside chance. */
export function RulesPanel({ answer }: { answer: ReadonlySignal<Answer<AlertsBody>> }) {
  const body = answer.value.body;
  return (
    <Panel
      id="alert-rules"
      title={says("rules")}
      kind={null}
      answer={answer}
      csv={() => sheet(answer.peek().body)}
      table={() => sheet(answer.peek().body)}
      footer={<p>{says("score_says")}</p>}
    >
      {body === null ? null : (
        <>
          <Watching body={body} />
          <ul class="rules">
            {body.rules.map((rule) => (
              <RuleCard key={rule.name} rule={rule} />
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

function Watching({ body }: { body: AlertsBody }) {
  const { watcher } = body;
  const runs = watcher?.is_running === true && body.is_enabled;
  const word = !body.is_enabled
    ? says("off")
    : watcher === null
      ? says("watcher_none")
      : runs
        ? says("watcher_runs", { n: watcher.coins.length })
        : says("watcher_gone");
  const sinks = watcher?.sinks ?? [];
  return (
    <p class="watching">
      <b class={runs ? "ok" : "warn"}>
        {runs ? "●" : "◌"} {word}
      </b>
      {runs ? <span class="dim">{watcher.coins.slice(0, 12).join(", ")}</span> : null}
      {watcher?.is_quiet ? <span class="chip">{says("quiet_hours")}</span> : null}
      {watcher === null ? null : (
        <span>
          <span class="dim">{says("sinks")}</span> {sinks.length === 0 ? says("no_sinks") : null}
          {sinks.map((sink) => (
            <span key={sink.name} class={sink.why === null ? "" : "warn"} title={sink.why ?? undefined}>
              {sink.name}{" "}
              <span class="dim">
                {says("sink_line", { sent: number(sink.sent), failed: number(sink.failed) })}
              </span>{" "}
            </span>
          ))}
        </span>
      )}
    </p>
  );
}

function RuleCard({ rule }: { rule: Rule }) {
  const stage = stageOf(rule.stage);
  const excited = rule.at.filter((one) => one.stage === "raised" || one.stage === "pending" || one.stage === "cooling");
  return (
    <li class="rule" data-stage={stage} data-rule={rule.name}>
      <p class="rule-head">
        <b>{ruleTitle(rule.name, rule.title, rule.is_shipped)}</b>
        <span class={`severity ${rule.severity}`}>{severityWord(rule.severity)}</span>
        <span class={`stage ${stage}`} title={rule.waiting_for ?? undefined}>
          <span aria-hidden="true">{GLYPHS[stage]}</span> {says(stage)}
        </span>
      </p>
      {rule.muted === null ? null : <p class="muted warn">✕ {mutedText(rule.muted)}</p>}
      <code class="rule-when">{rule.when}</code>
      <p class="rule-is dim">
        <span>{rule.coins.length === 0 ? says("all_coins") : rule.coins.join(", ")}</span>
        <span>
          {says("expects")}: {rule.expects || says("expects_nothing")}
        </span>
        <span>{says(rule.is_shipped ? "shipped" : "own")}</span>
        {excited.map((one) => (
          <span key={one.coin} class="chip">
            {one.coin} {says(stageOf(one.stage))}{" "}
            {one.value === null || one.stage === "cooling" ? "" : number(one.value, 2)}
          </span>
        ))}
      </p>
      {rule.score === null ? <p class="dim">{says("no_score")}</p> : null}
      {rule.score === null ? null : rule.score.n === 0 ? (
        <Unscored score={rule.score} />
      ) : (
        <Scored score={rule.score} />
      )}
    </li>
  );
}

/** How much an alert matters, in a word. */
export function severityWord(severity: string): string {
  return says(severity === "critical" ? "critical" : severity === "info" ? "info" : "warning");
}

function mutedText(muted: NonNullable<Rule["muted"]>): string {
  if (muted.by === "score") return `${says("muted")}: ${says("muted_score")}`;
  return `${says("muted")}: ${muted.until_ms === null ? says("muted_forever") : says("muted_user", { until: datetime(muted.until_ms) })}`;
}

function Unscored({ score }: { score: Score }) {
  return (
    <p class="scored-facts dim num">
      <span>{says("no_score")}</span>
      <span>{says("days", { days: number(score.days, 1) })}</span>
      {score.pending > 0 ? <span>{says("pending_n", { n: number(score.pending) })}</span> : null}
    </p>
  );
}

function Scored({ score }: { score: Score }) {
  const verdict = VERDICTS[score.verdict];
  return (
    <div class="scored">
      <p class="scored-rate">
        <span class="dim">{says("hit_rate")}</span>
        <b class="num">{share(score.hit_rate, 0)}</b>
        <span class="dim num">
          {score.low === null ? "" : says("interval", { low: share(score.low, 0), high: share(score.high, 0) })}
        </span>
        <span class="dim num">{says("of_n", { hits: number(score.hits), n: number(score.n) })}</span>
        <span class={`verdict ${verdict}`}>{says(verdict)}</span>
      </p>
      <Interval score={score} />
      <p class="scored-facts num">
        <span class="mark">{says("chance", { chance: share(score.chance, 1) })}</span>
        <span class="mark alike">{says("chance_alike", { chance: share(score.chance_alike, 1) })}</span>
        <span>
          {says("lead")} {score.lead_s === null ? UNKNOWN : age(score.lead_s * 1_000)}
        </span>
        <span>
          {says("false_alarms")}{" "}
          {score.false_alarms_per_day === null
            ? UNKNOWN
            : says("per_day", { n: number(score.false_alarms_per_day, 1) })}
        </span>
        <span>{says("days", { days: number(score.days, 1) })}</span>
        {score.pending > 0 ? <span>{says("pending_n", { n: number(score.pending) })}</span> : null}
      </p>
    </div>
  );
}

/** The hit rate with its 95 % interval, and chance as marks on the same scale of 0 to 100 %. */
function Interval({ score }: { score: Score }) {
  const at = (value: number) => `${100 * value}%`;
  const { low, high, hit_rate, chance, chance_alike } = score;
  const label = says("score_label", {
    rate: share(hit_rate, 0),
    low: share(low, 0),
    high: share(high, 0),
    chance: share(chance, 1),
  });
  return (
    <div class="interval" role="img" aria-label={label}>
      {low === null || high === null ? null : (
        <span class="interval-span" style={{ left: at(low), width: at(high - low) }} />
      )}
      {chance === null ? null : <span class="interval-chance" style={{ left: at(chance) }} />}
      {chance_alike === null ? null : <span class="interval-chance alike" style={{ left: at(chance_alike) }} />}
      {hit_rate === null ? null : <span class="interval-rate" style={{ left: at(hit_rate) }} />}
    </div>
  );
}
