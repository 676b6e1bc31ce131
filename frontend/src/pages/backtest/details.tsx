import type { ComponentChildren } from "preact";
import type { Sheet } from "../../ui/export";
import { number, share, UNKNOWN } from "../../ui/format";
import { Panel } from "../../ui/panel";
import type { Run } from "./figures";
import { type RunAnswer, steady } from "./run";
import { RunKindTag } from "./runs";
import { says } from "./words";

type Figures = Readonly<Record<string, number | null>>;

function sheet(run: Run): Sheet {
  const rows = (kind: string, figures: Figures): (string | number | null)[][] =>
    Object.entries(figures).map(([name, value]) => [kind, name, value]);
  return {
    name: `figures-${run.summary.id}`,
    columns: ["of", "name", "value"],
    rows: [
      ...rows("parameter", run.summary.parameters),
      ...rows("performance", run.performance),
      ...rows("economics", run.economics ?? {}),
    ],
    notes: [`run ${run.summary.hash}`, `data ${run.summary.data_hash}`, ...(run.summary.notes ?? [])],
  };
}

/** What was assumed, what it was run with, its hashes, and every figure by its name. */
export function DetailsPanel({ answer, run }: { answer: RunAnswer; run: Run }) {
  const { summary } = run;
  const notes = summary.notes ?? [];
  return (
    <Panel
      id="run-details"
      title={says("details")}
      kind={null}
      answer={answer}
      {...steady(answer)}
      controls={<RunKindTag kind={run.summary.kind} />}
      csv={() => sheet(run)}
      table={() => sheet(run)}
    >
      <div class="details">
        <section>
          <h3>{says("notes")}</h3>
          {notes.length === 0 ? <p class="dim">{says("no_notes")}</p> : null}
          <ul class="run-notes" lang="en">
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </section>
        <section>
          <h3>{says("settings")}</h3>
          <Named figures={summary.parameters} />
        </section>
        <section>
          <h3>{says("hashes")}</h3>
          <dl class="named">
            <One name={says("run_hash")} title={says("hash_is")}>
              <code>{summary.hash}</code>
            </One>
            <One name={says("data_hash")}>
              <code>{summary.data_hash}</code>
            </One>
            <One name={says("sources")}>{summary.sources.join(", ")}</One>
            <One name={says("path")}>{summary.path}</One>
            <One name={says("trials")}>{number(run.trials ?? 1)}</One>
            <One name={says("coverage")}>{share(summary.coverage, 2)}</One>
            <One name={says("equity_error")}>{String(summary.equity_error)}</One>
          </dl>
        </section>
      </div>
      <details class="all-figures">
        <summary>{says("economics")}</summary>
        <Named figures={run.economics ?? {}} />
      </details>
      <details class="all-figures">
        <summary>{says("figures")}</summary>
        <Named figures={run.performance} />
      </details>
    </Panel>
  );
}

function One({ name, title, children }: { name: string; title?: string; children: ComponentChildren }) {
  return (
    <div title={title}>
      <dt class="dim">{name}</dt>
      <dd class="num">{children}</dd>
    </div>
  );
}

function figureText(value: number | null): string {
  if (value === null) return UNKNOWN;
  if (Number.isInteger(value)) return number(value);
  const size = Math.abs(value);
  return size >= 100 ? number(value, 2) : size >= 0.001 ? number(value, 4) : value.toExponential(2).replace("-", "−");
}

function Named({ figures }: { figures: Figures }) {
  const rows = Object.entries(figures);
  if (rows.length === 0) return <p class="dim">{says("none")}</p>;
  return (
    <dl class="named">
      {rows.map(([name, value]) => (
        <One key={name} name={name.replaceAll("_", " ")}>
          {figureText(value)}
        </One>
      ))}
    </dl>
  );
}
