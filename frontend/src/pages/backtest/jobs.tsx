import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Answer } from "../../live/answers";
import type { Body } from "../../live/api";
import { second } from "../../live/clock";
import { age, iso } from "../../ui/format";
import { Panel } from "../../ui/panel";
import type { Job, RunsBody } from "./figures";
import { cancel } from "./start";
import { says } from "./words";

type JobsBody = Body<"/api/v1/backtests">;
const PHASES = ["waiting", "gathering", "running", "done", "failed", "cancelled"] as const;
const GLYPHS = { waiting: "◌", gathering: "◔", running: "◑", done: "●", failed: "✕", cancelled: "–" } as const;
const TONES = {
  waiting: "dim",
  gathering: "warn",
  running: "warn",
  done: "ok",
  failed: "bad",
  cancelled: "dim",
} as const;
const SHOWN = 6;

interface JobsProps {
  jobs: ReadonlySignal<Answer<JobsBody>>;
  runs: ReadonlySignal<Answer<RunsBody>>;
  open: (id: string) => void;
}

const isOver = (job: Job): boolean => ["done", "failed", "cancelled"].includes(job.phase);

/** What was asked for in this service's life: how far each is, and why one failed. */
export function JobsPanel({ jobs, runs, open }: JobsProps) {
  const list = jobs.value.body?.backtests ?? [];
  const before = useRef<ReadonlySet<string> | null>(null);
  useEffect(() => {
    if (jobs.value.body === null) return;
    const done = list.filter((job) => job.run !== null);
    const news = before.current === null ? [] : done.filter((job) => !before.current?.has(job.id));
    before.current = new Set(done.map((job) => job.id));
    const newest = news[0]?.run;
    if (newest === undefined || newest === null) return;
    runs.peek().refresh();
    open(newest);
  }, [jobs.value.body]);
  if (list.length === 0) return null;
  return (
    <Panel
      id="backtest-jobs"
      title={says("jobs")}
      kind={null}
      answer={jobs}
      asOfMs={null}
      state={{ name: "ready" }}
      csv={() => ({
        name: "backtests",
        columns: ["id", "strategy", "instrument", "phase", "asked", "run", "trouble"],
        rows: list.map((job) => [
          ...[job.id, job.order.strategy, job.order.instrument, job.phase],
          ...[iso(job.asked_ms), job.run ?? null, job.trouble?.message ?? null],
        ]),
      })}
      footer={<p>{says("jobs_gone")}</p>}
    >
      <ul class="jobs" aria-live="polite">
        {list.slice(0, SHOWN).map((job) => (
          <Line key={job.id} job={job} open={open} jobs={jobs} />
        ))}
      </ul>
    </Panel>
  );
}

function Line({ job, open, jobs }: { job: Job; open: (id: string) => void; jobs: JobsProps["jobs"] }) {
  const phase = PHASES.find((one) => one === job.phase) ?? "running";
  if (!isOver(job)) second.value;
  const took = job.began_ms == null ? null : (job.ended_ms ?? Date.now()) - job.began_ms;
  const run = job.run ?? null;
  return (
    <li class="job" data-job={job.id} data-phase={phase}>
      <p class="job-head">
        <b>{job.order.strategy}</b> <span class="dim">{job.order.instrument}</span>
        <span class={TONES[phase]}>
          <span aria-hidden="true">{GLYPHS[phase]}</span>{" "}
          {phase === "waiting" ? says("waiting", { n: job.ahead ?? 0 }) : says(phase)}
          {took === null ? "" : ` · ${age(Math.max(0, took))}`}
        </span>
        {run !== null ? (
          <button type="button" onClick={() => open(run)}>
            {says("show")}
          </button>
        ) : isOver(job) ? null : (
          <button
            type="button"
            onClick={() => {
              void cancel(job.id)
                .catch(() => undefined)
                .then(() => jobs.peek().refresh());
            }}
          >
            {says("cancel")}
          </button>
        )}
      </p>
      {isOver(job) ? null : (
        <div class="progress" role="progressbar" aria-label={says(phase === "waiting" ? "jobs" : phase)} />
      )}
      {job.trouble == null ? null : (
        <p class="bad" lang="en">
          {job.trouble.message} {job.trouble.hint ? <span class="dim">→ {job.trouble.hint}</span> : null}{" "}
          <code>{job.trouble.code}</code>
        </p>
      )}
    </li>
  );
}
