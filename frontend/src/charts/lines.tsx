import { type Signal, useComputed, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { zone } from "../app/settings";
import { colours } from "../theme/colours";
import "./charts.css";
import { type Entry, Legend } from "./legend";
import { extent, joined, linear, nearest, type Point, runs, type Span, usualStep } from "./scale";
import { hatch, line, type Paint, type Pen, type Plot, Surface, timeLabel, valueAxis } from "./surface";
import { ticks } from "./ticks";
import { chartWords } from "./words";

/** One line; a null or a step wider than `widestMs` is a gap and is not joined over. */
export interface Line {
  readonly name: string;
  /** A CSS colour. */
  readonly colour: string;
  readonly points: readonly Point[];
  /** Uncertainty: at, low, high. */
  readonly band?: readonly (readonly [at: number, low: number, high: number])[];
  /** CSS pixels; 1.6. */
  readonly width?: number;
  readonly dash?: readonly number[];
  /** A value holds until the next one. */
  readonly isStep?: boolean;
}

/** A level across the plot, with a word at its left. */
export interface Level {
  readonly value: number;
  readonly name?: string;
  readonly colour?: string;
}

export interface LinesProps {
  /** What the picture shows, for readers who do not see it. */
  readonly label: string;
  readonly lines: readonly Line[];
  /** Epoch ms. */
  readonly from: number;
  readonly to: number;
  /** Stretches that were not seen: hatched. */
  readonly gaps?: readonly Span[];
  /** Two points further apart than this are not joined, ms; three usual steps. */
  readonly widestMs?: number;
  /** Fixed values of the axis; else as the lines need. */
  readonly range?: readonly [number, number];
  readonly levels?: readonly Level[];
  /** Zones behind the lines: from, to, CSS colour with its alpha. */
  readonly zones?: readonly (readonly [low: number, high: number, colour: string])[];
  readonly format: (value: number) => string;
  /** Crosshair shared with other charts, epoch ms. */
  readonly cursor?: Signal<number | null>;
  /** CSS pixels of the plot; 180. */
  readonly height?: number;
  /** CSS pixels of the value axis; 58. */
  readonly axis?: number;
  /** The canvas, for a picture to save. */
  readonly canvas?: (canvas: HTMLCanvasElement | null) => void;
  readonly hasLegend?: boolean;
}

/** Lines over time with gaps drawn as gaps, uncertainty bands, levels and a crosshair. */
export function Lines(props: LinesProps) {
  const own = useSignal<number | null>(null);
  const cursor = props.cursor ?? own;
  const { lines, from, to, gaps, range, levels, zones, format } = props;
  const widest = useMemo(() => props.widestMs ?? widestOf(lines), [lines, props.widestMs]);
  const scale = useMemo(() => range ?? extent(allValues(lines, levels)), [lines, range, levels]);
  const paint = useMemo<Paint>(
    () => (pen, plot, palette) => {
      if (scale === null) return;
      const y = linear(scale[0], scale[1], plot.bottom, plot.top);
      for (const [low, high, colour] of zones ?? []) {
        pen.fillStyle = colour;
        pen.fillRect(plot.left, y(high), plot.right - plot.left, y(low) - y(high));
      }
      valueAxis(pen, plot, palette, y, ticks(scale[0], scale[1], Math.max(3, (plot.bottom - plot.top) / 34)), format);
      hatch(pen, plot, palette, joined(gaps ?? []));
      for (const level of levels ?? []) drawLevel(pen, plot, level, y, palette.dim);
      clipped(pen, plot, () => {
        for (const one of lines) drawLine(pen, plot, one, y, widest);
      });
    },
    [lines, scale, zones, gaps, levels, widest, format],
  );
  const over = (pen: Pen, plot: Plot, _palette: unknown, at: number) => {
    if (scale === null) return;
    const y = linear(scale[0], scale[1], plot.bottom, plot.top);
    for (const one of lines) {
      const found = valueAt(one, at, widest);
      if (found === null) continue;
      pen.fillStyle = one.colour;
      pen.beginPath();
      pen.arc(plot.x(one.isStep ? at : found[0]), y(found[1]), 3.5, 0, 7);
      pen.fill();
    }
  };
  return (
    <div class="chart" data-chart="lines">
      {props.hasLegend === false ? null : <LinesLegend {...props} cursor={cursor} widest={widest} />}
      <Surface
        label={props.label}
        height={props.height ?? 180}
        from={from}
        to={to}
        axis={props.axis ?? 58}
        paint={paint}
        over={over}
        cursor={cursor}
        stepMs={Math.max(1, usualStep(lines[0]?.points ?? []) || (to - from) / 100)}
        canvas={props.canvas}
      />
    </div>
  );
}

function LinesLegend(props: LinesProps & { cursor: Signal<number | null>; widest: number }) {
  const { cursor, widest, lines, format, gaps } = props;
  const told = useSignal({ lines, format, gaps, widest });
  told.value = useMemo(() => ({ lines, format, gaps, widest }), [lines, format, gaps, widest]);
  const entries = useComputed<readonly Entry[]>(() => {
    const now = told.value;
    const found: Entry[] = now.lines.map((one) => {
      const value = cursor.value === null ? last(one) : valueAt(one, cursor.value, now.widest);
      const look = one.dash === undefined ? "line" : "dash";
      return { name: one.name, colour: one.colour, look, text: value === null ? "—" : now.format(value[1]) };
    });
    if ((now.gaps?.length ?? 0) > 0)
      found.push({ name: chartWords("unseen"), colour: colours.value.dim, look: "hatch" });
    return found;
  });
  const when = useComputed(() => (cursor.value === null ? "" : timeLabel(cursor.value, zone.value === "local")));
  return <Legend entries={entries} when={when} />;
}

/** Three usual steps, so that one late point is no gap. */
function widestOf(lines: readonly Line[]): number {
  const steps = lines.map((one) => usualStep(one.points)).filter((step) => step > 0);
  return steps.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...steps) * 3;
}

function* allValues(lines: readonly Line[], levels: readonly Level[] = []): Generator<number | null> {
  for (const one of lines) {
    for (const [, value] of one.points) yield value;
    for (const [, low, high] of one.band ?? []) yield* [low, high];
  }
  for (const level of levels) yield level.value;
}

function last(one: Line): readonly [number, number] | null {
  const point = one.points.at(-1);
  return point === undefined || point[1] === null ? null : [point[0], point[1]];
}

function valueAt(one: Line, at: number, widest: number): readonly [number, number] | null {
  if (one.isStep !== true) return nearest(one.points, at, widest / 2);
  const before = one.points.filter(([time]) => time <= at).at(-1);
  return before === undefined || before[1] === null || at - before[0] > widest ? null : [before[0], before[1]];
}

function clipped(pen: Pen, plot: Plot, draw: () => void): void {
  pen.save();
  pen.beginPath();
  pen.rect(plot.left, plot.top - 2, plot.right - plot.left, plot.bottom - plot.top + 4);
  pen.clip();
  draw();
  pen.restore();
}

function drawLine(pen: Pen, plot: Plot, one: Line, y: (value: number) => number, widest: number): void {
  if (one.band !== undefined && one.band.length > 1) drawBand(pen, plot, one.band, one.colour, y);
  pen.strokeStyle = one.colour;
  pen.fillStyle = one.colour;
  pen.lineWidth = one.width ?? 1.6;
  pen.lineJoin = "round";
  pen.setLineDash([...(one.dash ?? [])]);
  for (const run of runs(one.points, widest)) {
    pen.beginPath();
    let before = 0;
    for (const [n, [at, value]] of run.entries()) {
      if (n === 0) pen.moveTo(plot.x(at), y(value));
      else if (one.isStep) pen.lineTo(plot.x(at), y(before));
      if (n > 0) pen.lineTo(plot.x(at), y(value));
      before = value;
    }
    if (run.length > 1) pen.stroke();
    else if (run[0] !== undefined) {
      pen.arc(plot.x(run[0][0]), y(run[0][1]), 2, 0, 7);
      pen.fill();
    }
  }
  pen.setLineDash([]);
}

function drawBand(
  pen: Pen,
  plot: Plot,
  band: readonly (readonly [number, number, number])[],
  colour: string,
  y: (value: number) => number,
): void {
  pen.save();
  pen.globalAlpha = 0.18;
  pen.fillStyle = colour;
  pen.beginPath();
  for (const [n, [at, , high]] of band.entries()) {
    if (n === 0) pen.moveTo(plot.x(at), y(high));
    else pen.lineTo(plot.x(at), y(high));
  }
  for (const [at, low] of [...band].reverse()) pen.lineTo(plot.x(at), y(low));
  pen.fill();
  pen.restore();
}

function drawLevel(pen: Pen, plot: Plot, level: Level, y: (value: number) => number, dim: string): void {
  const at = Math.round(y(level.value)) + 0.5;
  line(pen, plot.left, at, plot.right, at, level.colour ?? dim, 1, [6, 4]);
  if (level.name === undefined) return;
  pen.fillStyle = level.colour ?? dim;
  pen.textAlign = "left";
  pen.textBaseline = "bottom";
  pen.fillText(level.name, plot.left + 4, at - 2);
}
