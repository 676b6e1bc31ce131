import type { Signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { Lines } from "../../charts/lines";
import { pictureOf } from "../../charts/picture";
import { colours } from "../../theme/colours";
import type { Sheet } from "../../ui/export";
import { amount, datetime, iso, percent } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { drawdownOf, equityOf, type Run } from "./figures";
import { type RunAnswer, steady } from "./run";
import { RunKindTag } from "./runs";
import { says } from "./words";

const FOREVER = Number.POSITIVE_INFINITY;
const percents = (value: number): string => percent(100 * value, 1, false);
const money = (value: number): string =>
  Math.abs(value) >= 100_000 ? amount(value) : value.toLocaleString("en-US", { maximumFractionDigits: 0 });

function sheet(run: Run): Sheet {
  const equity = equityOf(run);
  const below = drawdownOf(equity, run.summary.deposit);
  return {
    name: `equity-${run.summary.id}`,
    columns: ["time", "equity", "drawdown", "position"],
    rows: equity.map(([at, value], n) => [iso(at), value, below[n]?.[1] ?? null, run.curve.position[n] ?? null]),
    notes: [`${run.summary.kind} ${run.summary.strategy} ${run.summary.instrument}`],
  };
}

/** Equity over time, and how far it stood below its highest. */
export function EquityPanel({ answer, run, cursor }: { answer: RunAnswer; run: Run; cursor: Signal<number | null> }) {
  const canvases = useRef<[HTMLCanvasElement | null, HTMLCanvasElement | null]>([null, null]);
  const { deposit, from_ms: from, to_ms: to } = run.summary;
  const palette = colours.value;
  const equity = useMemo(() => equityOf(run), [run]);
  const made = useMemo(
    () => ({
      lines: [{ name: says("equity"), colour: palette.accent, points: equity }],
      below: [{ name: says("drawdown_pane"), colour: palette.bad, points: drawdownOf(equity, deposit) }],
      levels: [{ value: deposit, name: says("deposit_level") }],
      deepest: [Math.min(-0.001, -run.summary.max_drawdown * 1.08), 0] as const,
    }),
    [equity, palette, deposit],
  );
  return (
    <Panel
      id="run-equity"
      title={says("equity")}
      kind={null}
      answer={answer}
      {...steady(answer)}
      controls={<RunKindTag kind={run.summary.kind} />}
      csv={() => sheet(run)}
      table={() => sheet(run)}
      png={() =>
        pictureOf([
          { title: says("equity"), canvas: canvases.current[0] },
          { title: says("drawdown_pane"), canvas: canvases.current[1] },
        ])
      }
    >
      <div class="equity">
        <Lines
          label={says("equity_label", { from: datetime(from), to: datetime(to) })}
          lines={made.lines}
          levels={made.levels}
          from={from}
          to={to}
          widestMs={FOREVER}
          format={money}
          cursor={cursor}
          height={220}
          canvas={(canvas) => {
            canvases.current[0] = canvas;
          }}
        />
        <Lines
          label={says("drawdown_pane")}
          lines={made.below}
          range={made.deepest}
          from={from}
          to={to}
          widestMs={FOREVER}
          format={percents}
          cursor={cursor}
          height={110}
          canvas={(canvas) => {
            canvases.current[1] = canvas;
          }}
        />
      </div>
    </Panel>
  );
}
