import { language } from "../../app/settings";
import type { Sheet } from "../../ui/export";
import { percent, signed } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { words } from "../../words/vocabulary";
import { compounded, type Run, yearsOf } from "./figures";
import { type RunAnswer, steady } from "./run";
import { RunKindTag } from "./runs";
import { says } from "./words";

function sheet(run: Run): Sheet {
  return {
    name: `months-${run.summary.id}`,
    columns: ["month", "net_return"],
    rows: run.months.map((pair) => [String(pair[0]), Number(pair[1])]),
  };
}

const monthName = (n: number): string =>
  new Intl.DateTimeFormat(language.value === "ko" ? "ko" : "en-GB", { month: "short", timeZone: "UTC" }).format(
    Date.UTC(2026, n, 15),
  );

/** Net returns of months: the deeper the colour, the larger; its sign stands in the cell. */
export function MonthsPanel({ answer, run }: { answer: RunAnswer; run: Run }) {
  const years = yearsOf(run.months);
  const largest = Math.max(0.005, ...run.months.map((pair) => Math.abs(Number(pair[1]))));
  return (
    <Panel
      id="run-months"
      title={says("months")}
      kind={null}
      answer={answer}
      {...steady(answer)}
      controls={<RunKindTag kind={run.summary.kind} />}
      csv={() => sheet(run)}
      table={() => sheet(run)}
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section class="table-frame" tabIndex={0} aria-label={words("as_table", { title: says("months") })}>
        <table class="months">
          <thead>
            <tr>
              <th scope="col">{says("year")}</th>
              {Array.from({ length: 12 }, (_, n) => (
                <th key={n} scope="col" class="number">
                  {monthName(n)}
                </th>
              ))}
              <th scope="col" class="number">
                {says("whole_year")}
              </th>
            </tr>
          </thead>
          <tbody>
            {years.map(({ year, months }) => (
              <tr key={year}>
                <th scope="row">{year}</th>
                {months.map((value, n) => (
                  <Cell key={`${year}-${n + 1}`} value={value} largest={largest} />
                ))}
                <td class="number">
                  <b>{percent(100 * compounded(months), 1)}</b>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </Panel>
  );
}

function Cell({ value, largest }: { value: number | null; largest: number }) {
  if (value === null) return <td class="number dim">·</td>;
  const depth = Math.round(8 + 34 * Math.min(1, Math.abs(value) / largest));
  const colour = value < 0 ? "var(--bad)" : value > 0 ? "var(--ok)" : "transparent";
  return (
    <td class="number month" style={{ background: `color-mix(in srgb, ${colour} ${depth}%, transparent)` }}>
      {signed(100 * value, 1)}
    </td>
  );
}
