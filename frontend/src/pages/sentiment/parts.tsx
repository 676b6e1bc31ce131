import { type ReadonlySignal, type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { coin } from "../../app/route";
import { chained } from "../../charts/scale";
import { Spark } from "../../charts/spark";
import type { Answer } from "../../live/answers";
import { colours } from "../../theme/colours";
import type { Sheet } from "../../ui/export";
import { number, share, signed, UNKNOWN, venue } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { words } from "../../words/vocabulary";
import {
  type Contribution,
  dated,
  type Figure,
  isFigure,
  levelText,
  type SentimentBody,
  sourceText,
  unusual,
} from "./figures";
import "./parts.css";
import { says } from "./words";

const STEP_MS = 900_000;

function sheet(body: SentimentBody | null): Sheet {
  const figures = new Map(body?.figures.map((figure) => [figure.name, figure]));
  return {
    name: `sentiment-parts-${coin.peek()}`,
    columns: [
      "figure",
      "level",
      "z",
      "points",
      "weight",
      "counts",
      "freshness",
      "evidence",
      "history",
      "told_by",
      "coverage_24h",
      "basis",
    ],
    rows: (body?.sentiment?.contributions ?? []).map((part) => {
      const figure = figures.get(part.name);
      const told = [figure?.told_by ?? null, figure?.coverage_24h ?? null, figure?.basis ?? null];
      return [
        part.name,
        figure?.level ?? null,
        part.z,
        part.points,
        part.weight,
        part.share,
        part.freshness,
        part.evidence,
        part.history,
        ...told,
      ];
    }),
    notes: ["MODEL", `index ${body?.index ?? UNKNOWN} = 50 + the sum of points`, ...(body?.meta.notes ?? [])],
  };
}

/** Each figure of the index: what it is now, how unusual, what it adds, and who told it. The points sum up visibly. */
export function PartsPanel({ answer }: { answer: ReadonlySignal<Answer<SentimentBody>> }) {
  const open = useSignal<string | null>(null);
  const body = answer.value.body;
  const parts = body?.sentiment?.contributions ?? [];
  return (
    <Panel
      id="sentiment-parts"
      title={says("parts")}
      kind="model"
      answer={answer}
      empty={body !== null && parts.length === 0}
      csv={() => sheet(answer.peek().body)}
      table={() => sheet(answer.peek().body)}
      footer={body?.index == null ? null : <Sum parts={parts} index={body.index} />}
      class="parts-panel"
    >
      {body === null ? null : <Parts body={body} parts={parts} open={open} />}
    </Panel>
  );
}

function Sum({ parts, index }: { parts: readonly Contribution[]; index: number }) {
  const terms = parts
    .filter((part) => part.points !== 0)
    .map((part) => `${part.points < 0 ? "−" : "+"} ${number(Math.abs(part.points), 1)}`);
  return <p class="parts-sum num">{says("parts_sum", { parts: terms.join(" "), index: number(index, 1) })}</p>;
}

function Parts(props: { body: SentimentBody; parts: readonly Contribution[]; open: Signal<string | null> }) {
  const { body, parts, open } = props;
  const pieces = chained(
    parts.map((part) => part.points),
    50,
  );
  const ends = [50, ...pieces.map((piece) => piece.to)];
  const [low, high] = [Math.min(...ends) - 1.5, Math.max(...ends) + 1.5];
  const place = (value: number) => (100 * (value - low)) / (high - low);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="table-frame" tabIndex={0} aria-label={words("as_table", { title: says("parts") })}>
      <table class="parts">
        <thead>
          <tr>
            <th scope="col">{says("figure")}</th>
            <th scope="col" class="number">
              {says("level")}
            </th>
            <th scope="col" class="wide">
              {says("past_24h")}
            </th>
            <th scope="col" class="number z">
              {says("deviation")}
            </th>
            <th scope="col" class="number">
              {says("points")}
            </th>
            <th scope="col" class="falls">
              {says("adds_up")}
            </th>
            <th scope="col" class="number wide">
              {says("worth")}
            </th>
            <th scope="col" class="number wide" title={says("told_by_title")}>
              {says("told_by")}
            </th>
            <th scope="col" class="number wide">
              {says("seen_24h")}
            </th>
          </tr>
        </thead>
        <tbody>
          <End name={says("start")} value={50} place={place} />
          {parts.map((part, n) => (
            <Row
              key={part.name}
              body={body}
              part={part}
              figure={body.figures.find((figure) => figure.name === part.name) ?? null}
              from={place(pieces[n]?.from ?? 50)}
              to={place(pieces[n]?.to ?? 50)}
              isOpen={open.value === part.name}
              onToggle={() => {
                open.value = open.peek() === part.name ? null : part.name;
              }}
            />
          ))}
          {body.index === null ? null : <End name={says("now")} value={body.index} place={place} isLast />}
        </tbody>
      </table>
    </section>
  );
}

function End(props: { name: string; value: number; place: (value: number) => number; isLast?: boolean }) {
  return (
    <tr class={props.isLast ? "parts-end last" : "parts-end"}>
      <th scope="row">{props.name}</th>
      <td class="number" />
      <td class="wide" />
      <td class="number z" />
      <td class="number">
        <b>{number(props.value, 1)}</b>
      </td>
      <td class="falls">
        <span class="fall-mark" style={{ left: `${props.place(props.value)}%` }} />
      </td>
      <td class="wide" colSpan={3} />
    </tr>
  );
}

interface RowProps {
  body: SentimentBody;
  part: Contribution;
  figure: Figure | null;
  /** Where its bar begins and ends, per cent of the column. */
  from: number;
  to: number;
  isOpen: boolean;
  onToggle: () => void;
}

function Row({ body, part, figure, from, to, isOpen, onToggle }: RowProps) {
  const name = isFigure(part.name) ? says(part.name) : part.name;
  const side = part.points < 0 ? "minus" : "plus";
  const worth = says("worth_title", {
    weight: share(part.weight, 0),
    share: share(part.share, 0),
    freshness: number(part.freshness, 2),
    evidence: number(part.evidence, 2),
  });
  return (
    <>
      <tr class={part.share === 0 ? "dim-row" : ""}>
        <th scope="row">
          <button
            type="button"
            class="part-name"
            aria-expanded={isOpen}
            title={says("show_venues", { figure: name })}
            onClick={onToggle}
          >
            <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span> {name}
          </button>
          <span class="part-is">{isFigure(part.name) ? says(`${part.name}_is`) : ""}</span>
        </th>
        <td class="number">{levelText(part.name, figure?.level ?? null)}</td>
        <td class="wide spark-cell">{figure === null ? null : <Past body={body} figure={figure} name={name} />}</td>
        <td class="number z">
          {part.z === null ? UNKNOWN : signed(part.z, 1)}
          <span class={`how ${unusual(part.z)}`}>{whyText(part)}</span>
        </td>
        <td class={`number points ${side}`}>{signed(part.points, 1)}</td>
        <td class="falls">
          <span class={`fall ${side}`} style={{ left: `${Math.min(from, to)}%`, width: `${Math.abs(to - from)}%` }} />
        </td>
        <td class="number wide" title={worth}>
          {share(part.share, 0)}
        </td>
        <td class="number wide">{share(figure?.told_by ?? null, 0)}</td>
        <td class="number wide">{share(figure?.coverage_24h ?? null, 1)}</td>
      </tr>
      {isOpen && figure !== null ? (
        <tr class="part-venues">
          <td colSpan={9}>
            <Venues figure={figure} part={part} worth={worth} />
          </td>
        </tr>
      ) : null}
    </>
  );
}

function whyText(part: Contribution): ComponentChildren {
  if (part.why === "missing" || part.z === null) return says("why_missing");
  if (part.why === "old") return says("why_old");
  if (part.why) return says("why_thin");
  const how = unusual(part.z);
  return how === "unknown" ? "" : says(how);
}

function Past({ body, figure, name }: { body: SentimentBody; figure: Figure; name: string }) {
  const points = dated(body.recent, figure.past ?? []);
  if (points.length < 2) return null;
  const label = `${name}: ${says("past_24h")}`;
  return <Spark label={label} points={points} colour={colours.value.accent} widestMs={2 * STEP_MS} height={24} />;
}

function Venues({ figure, part, worth }: { figure: Figure; part: Contribution; worth: string }) {
  const basis = figure.basis === "observed" ? "observed" : figure.basis === "estimated" ? "estimated" : "sampled";
  return (
    <div class="venue-told">
      <ul>
        {figure.sources.map((source) => (
          <li key={source.venue} class={source.share > 0 ? "" : "dim"}>
            <b>{venue(source.venue)}</b>
            <span class="num">{sourceText(figure.name, source.value)}</span>
            {source.z === null ? null : <span class="num dim">z {signed(source.z, 1)}</span>}
            <span class="num dim">{share(source.share, 0)}</span>
            <span class={source.verdict === "used" ? "ok" : "warn"}>{says(source.verdict)}</span>
          </li>
        ))}
      </ul>
      <p class="dim">
        {says(basis)} · {worth} ·{" "}
        {part.history === null ? says("no_history") : says("history_points", { n: number(part.history) })}
      </p>
    </div>
  );
}
