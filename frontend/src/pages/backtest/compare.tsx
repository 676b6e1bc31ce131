import { type Signal, useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { parameter } from "../../app/route";
import { type Line, Lines } from "../../charts/lines";
import { pictureOf } from "../../charts/picture";
import { useAnswer } from "../../live/answers";
import { type Colours, colours } from "../../theme/colours";
import type { Sheet } from "../../ui/export";
import { number, percent, share, signed } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Segments } from "../../ui/picker";
import { verdictGlyph, verdictOf, verdictShort, verdictTone } from "../../words/verdicts";
import { words } from "../../words/vocabulary";
import { differences, type Run, returnOf, type Summary } from "./figures";
import { MOST_COMPARED } from "./runs";
import { says } from "./words";

const FOREVER = Number.POSITIVE_INFINITY;
const percents = (value: number): string => percent(100 * value, 1, true);
const looks = (palette: Colours): { colour: string; dash?: readonly number[] }[] => [
  { colour: palette.accent },
  { colour: palette.warn, dash: [7, 4] },
  { colour: palette.model, dash: [2, 3] },
  { colour: palette.ok, dash: [10, 3, 2, 3] },
];

interface CompareProps {
  ids: readonly string[];
  runs: readonly Summary[];
  compared: Signal<string>;
}

function useRun(id: string | undefined): Run | null {
  return useAnswer("/api/v1/runs/{id}", id === undefined ? null : { id }).value.body?.run ?? null;
}

/** Two runs or more over each other: their returns as lines, their figures side by side, and what differs. */
export function ComparePanel({ ids, runs, compared }: CompareProps) {
  const wanted = ids.slice(0, MOST_COMPARED);
  const found = [useRun(wanted[0]), useRun(wanted[1]), useRun(wanted[2]), useRun(wanted[3])];
  const whole = found.filter((run) => run !== null);
  if (ids.length === 0) return null;
  const summaries = wanted
    .map((id) => runs.find((run) => run.id === id) ?? whole.find((run) => run.summary.id === id)?.summary)
    .filter((run) => run !== undefined);
  return (
    <Panel
      id="compare"
      title={says("compared")}
      kind={null}
      state={{ name: "ready" }}
      asOfMs={null}
      csv={() => sheet(summaries)}
      table={() => sheet(summaries)}
      png={() => picture.current}
      controls={
        <button
          type="button"
          onClick={() => {
            compared.value = "";
          }}
        >
          {says("clear")}
        </button>
      }
    >
      {summaries.length < 2 ? (
        <p class="dim none">{says("compared_hint")}</p>
      ) : (
        <Beside runs={whole} summaries={summaries} />
      )}
    </Panel>
  );
}

const picture: { current: HTMLCanvasElement | null } = { current: null };

function sheet(runs: readonly Summary[]): Sheet {
  return {
    name: "compare",
    columns: ["", ...runs.map((run) => run.id)],
    rows: [
      ...FIGURES.map(({ name, value }) => [name, ...runs.map(value)]),
      ...differences(runs).map(({ name, values }) => [name, ...values]),
    ],
  };
}

function Beside({ runs, summaries }: { runs: readonly Run[]; summaries: readonly Summary[] }) {
  const by = parameter("by", "date");
  const cursor = useSignal<number | null>(null);
  const canvas = useRef<HTMLCanvasElement | null>(null);
  const palette = colours.value;
  const isDate = by.value === "date";
  const { lines, from, to } = useMemo(
    () => drawn(runs, summaries, palette, isDate),
    [runs.length, summaries, palette, isDate],
  );
  picture.current = pictureOf([{ title: says("returns"), canvas: canvas.current }]);
  return (
    <>
      <div class="compare-head">
        <span class="dim">{says("returns")}</span>
        <Segments
          label={says("returns")}
          value={by}
          choices={[
            { value: "date", label: says("by_date") },
            { value: "start", label: says("since_start") },
          ]}
        />
      </div>
      <Lines
        label={says("returns")}
        lines={lines}
        levels={[{ value: 0 }]}
        from={from}
        to={to}
        widestMs={FOREVER}
        format={percents}
        cursor={cursor}
        height={240}
        canvas={(made) => {
          canvas.current = made;
        }}
      />
      <Figures runs={summaries} palette={palette} />
    </>
  );
}

function drawn(runs: readonly Run[], summaries: readonly Summary[], palette: Colours, isDate: boolean) {
  const first = Math.min(...runs.map((run) => run.summary.from_ms));
  const lines: Line[] = runs.map((run) => {
    const at = summaries.findIndex((one) => one.id === run.summary.id);
    const name = `${run.summary.strategy} ${run.summary.id.slice(0, 4)}`;
    return { name, points: returnOf(run, isDate ? 0 : first), ...(looks(palette)[at] ?? { colour: palette.text }) };
  });
  const ends = runs.map(({ summary: { from_ms, to_ms } }) => (isDate ? to_ms : to_ms - from_ms + first));
  return { lines, from: first, to: Math.max(...ends) };
}

const FIGURES: {
  name: string;
  label: () => string;
  value: (run: Summary) => number | null;
  show: (value: number | null, run: Summary) => string;
}[] = [
  { name: "net", label: () => says("net"), value: (run) => run.net, show: (value) => signed(value) },
  {
    name: "net_share",
    label: () => says("net_share"),
    value: (run) => run.net / run.deposit,
    show: (value) => percent(value === null ? null : 100 * value),
  },
  { name: "gross", label: () => says("gross"), value: (run) => run.gross, show: (value) => signed(value) },
  { name: "fees", label: () => says("fees"), value: (run) => run.fees, show: (value) => number(value, 2) },
  { name: "funding", label: () => says("funding"), value: (run) => -run.funding, show: (value) => signed(value) },
  { name: "slippage", label: () => says("slippage"), value: (run) => run.slippage, show: (value) => number(value, 2) },
  { name: "trades", label: () => says("trades"), value: (run) => run.trades, show: (value) => number(value) },
  { name: "wins", label: () => says("wins"), value: (run) => run.win_rate ?? null, show: (value) => share(value, 0) },
  {
    name: "drawdown",
    label: () => says("drawdown"),
    value: (run) => run.max_drawdown,
    show: (value) => percent(value === null ? null : -100 * value, 1, false),
  },
  {
    name: "sharpe",
    label: () => says("sharpe"),
    value: (run) => run.sharpe ?? null,
    show: (value) => number(value, 2),
  },
];

const SETTINGS = ["strategy", "contract", "deposit", "sources", "data_hash", "from", "to"] as const;

/** The word of a setting; a parameter as it is called. */
function settingWord(name: string): string {
  const known = SETTINGS.find((one) => one === (name === "instrument" ? "contract" : name));
  return known === undefined ? (name === "data" ? says("span") : name.replaceAll("_", " ")) : says(known);
}

function Figures({ runs, palette }: { runs: readonly Summary[]; palette: Colours }) {
  const settings = differences(runs);
  const different = settings.filter((one) => one.isDifferent);
  const same = settings.filter((one) => !one.isDifferent).map((one) => settingWord(one.name));
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section class="table-frame" tabIndex={0} aria-label={words("as_table", { title: says("compared") })}>
        <table class="beside">
          <thead>
            <tr>
              <th scope="col">{says("figure")}</th>
              {runs.map((run, n) => (
                <th key={run.id} scope="col" class="number">
                  <span
                    class="swatch"
                    style={{ background: looks(palette)[n]?.colour ?? palette.text }}
                    aria-hidden="true"
                  />{" "}
                  {run.strategy} <code>{run.id.slice(0, 8)}</code>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">{says("verdict")}</th>
              {runs.map((run) => (
                <td key={run.id} class={`number ${verdictTone(verdictOf(run.verdict))}`}>
                  {verdictGlyph(verdictOf(run.verdict))} {verdictShort(verdictOf(run.verdict))}
                </td>
              ))}
            </tr>
            {FIGURES.map(({ name, label, value, show }) => (
              <tr key={name}>
                <th scope="row">{label()}</th>
                {runs.map((run) => (
                  <td key={run.id} class="number">
                    {show(value(run), run)}
                  </td>
                ))}
              </tr>
            ))}
            <tr>
              <th scope="rowgroup" colSpan={runs.length + 1} class="rowgroup">
                {says("differs")}
              </th>
            </tr>
            {different.map(({ name, values }) => (
              <tr key={name}>
                <th scope="row">{settingWord(name)}</th>
                {values.map((value, n) => (
                  <td key={runs[n]?.id} class="number">
                    {value}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {same.length === 0 ? null : <p class="dim same">{says("same", { names: same.join(", ") })}</p>}
    </>
  );
}
