import { type Signal, useComputed, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { zone } from "../app/settings";
import { type Colours, colours } from "../theme/colours";
import "./charts.css";
import { type Entry, Legend } from "./legend";
import { extent, linear } from "./scale";
import { hatchBox, line, type Paint, type Pen, type Plot, Surface, timeLabel, valueAxis } from "./surface";
import { ticks } from "./ticks";
import { chartWords } from "./words";

/** What a column is stacked of. */
export interface BarSeries {
  readonly name: string;
  /** A CSS colour. */
  readonly colour: string;
  /** Above zero or, mirrored, below it. */
  readonly direction: "up" | "down";
  /** Drawn as an outline: what is estimated beyond what was observed. */
  readonly isHollow?: boolean;
}

/** One column. */
export interface Bar {
  /** Epoch ms. */
  readonly from: number;
  /** Epoch ms, not included. */
  readonly to: number;
  /** One of each series, 0 or more; null = not known. */
  readonly values: readonly (number | null)[];
  /** 5 % and 95 % of the sum, upwards and downwards. */
  readonly whiskers?: {
    readonly up?: readonly [number, number] | null;
    readonly down?: readonly [number, number] | null;
  };
  /** Share of its time that was seen, in [0, 1]; null = not known. What was not is hatched. */
  readonly seen?: number | null;
}

export interface BarsProps {
  /** What the picture shows, for readers who do not see it. */
  readonly label: string;
  readonly series: readonly BarSeries[];
  readonly bars: readonly Bar[];
  /** Epoch ms; those of the bars. */
  readonly from?: number;
  readonly to?: number;
  readonly format: (value: number) => string;
  /** Crosshair shared with other charts, epoch ms. */
  readonly cursor?: Signal<number | null>;
  /** CSS pixels; 180. */
  readonly height?: number;
  /** CSS pixels of the value axis; 58. */
  readonly axis?: number;
  readonly canvas?: (canvas: HTMLCanvasElement | null) => void;
  readonly hasLegend?: boolean;
}

/** Columns over time, stacked upwards and downwards, with whiskers and unseen time hatched. */
export function Bars(props: BarsProps) {
  const own = useSignal<number | null>(null);
  const cursor = props.cursor ?? own;
  const { bars, series, format } = props;
  const from = props.from ?? bars[0]?.from ?? 0;
  const to = props.to ?? bars.at(-1)?.to ?? 1;
  const scale = useMemo(() => range(bars, series), [bars, series]);
  const paint = useMemo<Paint>(
    () => (pen, plot, palette) => {
      const y = linear(scale[0], scale[1], plot.bottom, plot.top);
      const values = ticks(scale[0], scale[1], Math.max(3, (plot.bottom - plot.top) / 30));
      for (const bar of bars) drawUnseen(pen, plot, palette, bar);
      valueAxis(pen, plot, palette, y, values, (value) => format(Math.abs(value)));
      for (const bar of bars) drawBar(pen, plot, palette, bar, series, y);
      line(pen, plot.left, Math.round(y(0)) + 0.5, plot.right, Math.round(y(0)) + 0.5, palette.dim);
    },
    [bars, series, scale, format],
  );
  const over = (pen: Pen, plot: Plot, palette: Colours, at: number) => {
    const bar = barAt(bars, at);
    if (bar === null) return;
    pen.save();
    pen.globalAlpha = 0.12;
    pen.fillStyle = palette.text;
    pen.fillRect(plot.x(bar.from), plot.top, plot.x(bar.to) - plot.x(bar.from), plot.bottom - plot.top);
    pen.restore();
  };
  return (
    <div class="chart" data-chart="bars">
      {props.hasLegend === false ? null : <BarsLegend {...props} cursor={cursor} />}
      <Surface
        label={props.label}
        height={props.height ?? 180}
        from={from}
        to={to}
        axis={props.axis ?? 58}
        paint={paint}
        over={over}
        cursor={cursor}
        stepMs={Math.max(1, (bars[0]?.to ?? 1) - (bars[0]?.from ?? 0))}
        canvas={props.canvas}
      />
    </div>
  );
}

function BarsLegend({ bars, series, format, cursor }: BarsProps & { cursor: Signal<number | null> }) {
  const told = useSignal({ bars, series, format });
  told.value = useMemo(() => ({ bars, series, format }), [bars, series, format]);
  const entries = useComputed<readonly Entry[]>(() => {
    const now = told.value;
    const bar = cursor.value === null ? null : barAt(now.bars, cursor.value);
    const found: Entry[] = now.series.map((one, n) => ({
      name: one.name,
      colour: one.colour,
      look: one.isHollow ? "hollow" : "box",
      ...(bar === null ? {} : { text: text(bar.values[n], now.format) }),
    }));
    if (now.bars.some((one) => one.seen !== undefined && (one.seen ?? 0) < 0.995))
      found.push({
        name: bar?.seen == null ? chartWords("unseen") : chartWords("seen", { share: Math.floor(bar.seen * 100) }),
        colour: colours.value.dim,
        look: "hatch",
      });
    return found;
  });
  const when = useComputed(() => {
    const bar = cursor.value === null ? null : barAt(told.value.bars, cursor.value);
    const isLocal = zone.value === "local";
    return bar === null ? "" : `${timeLabel(bar.from, isLocal)}–${timeLabel(bar.to, isLocal)}`;
  });
  return <Legend entries={entries} when={when} />;
}

function text(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? "—" : format(value);
}

/** The column over a moment. */
export function barAt(bars: readonly Bar[], at: number): Bar | null {
  return bars.find((bar) => bar.from <= at && at < bar.to) ?? null;
}

/** What is piled up in a direction; null where nothing is known of it. */
export function total(bar: Bar, series: readonly BarSeries[], direction: "up" | "down"): number | null {
  const known = bar.values.filter((value, n) => series[n]?.direction === direction && value !== null);
  return known.length === 0 ? null : known.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

function range(bars: readonly Bar[], series: readonly BarSeries[]): readonly [number, number] {
  const ups = bars.flatMap((bar) => [total(bar, series, "up"), bar.whiskers?.up?.[1] ?? null]);
  const downs = bars.flatMap((bar) => [total(bar, series, "down"), bar.whiskers?.down?.[1] ?? null]);
  const high = extent([0, ...ups], 0)?.[1] ?? 1;
  const low = extent([0, ...downs], 0)?.[1] ?? 0;
  return high === 0 && low === 0 ? [0, 1] : [-low * 1.06, high * 1.06];
}

function drawUnseen(pen: Pen, plot: Plot, palette: Colours, bar: Bar): void {
  if (bar.seen === undefined || (bar.seen ?? 0) >= 0.995) return;
  const [left, right] = [plot.x(bar.from), plot.x(bar.to)];
  const height = (plot.bottom - plot.top) * (1 - (bar.seen ?? 0));
  hatchBox(pen, left, plot.bottom - height, right - left, height, palette);
}

function drawBar(
  pen: Pen,
  plot: Plot,
  palette: Colours,
  bar: Bar,
  series: readonly BarSeries[],
  y: (value: number) => number,
): void {
  const room = plot.x(bar.to) - plot.x(bar.from);
  const gap = room > 6 ? 2 : room > 3 ? 1 : 0;
  const [left, width] = [plot.x(bar.from) + gap / 2, Math.max(1, room - gap)];
  const reached = { up: 0, down: 0 };
  for (const [n, one] of series.entries()) {
    const value = bar.values[n] ?? 0;
    if (value <= 0) continue;
    const sign = one.direction === "up" ? 1 : -1;
    const start = y(sign * reached[one.direction]);
    reached[one.direction] += value;
    const end = y(sign * reached[one.direction]);
    const [top, height] = [Math.min(start, end), Math.max(1, Math.abs(end - start))];
    pen.fillStyle = one.colour;
    pen.strokeStyle = one.colour;
    pen.lineWidth = 1;
    if (one.isHollow && width >= 3) pen.strokeRect(left + 0.5, top + 0.5, width - 1, Math.max(0, height - 1));
    else pen.fillRect(left, top, width, height);
  }
  whisker(pen, left + width / 2, bar.whiskers?.up, 1, y, palette.text);
  whisker(pen, left + width / 2, bar.whiskers?.down, -1, y, palette.text);
}

function whisker(
  pen: Pen,
  x: number,
  ends: readonly [number, number] | null | undefined,
  sign: 1 | -1,
  y: (value: number) => number,
  colour: string,
): void {
  if (ends === null || ends === undefined || ends[1] <= ends[0]) return;
  const middle = Math.round(x) + 0.5;
  line(pen, middle, y(sign * ends[0]), middle, y(sign * ends[1]), colour);
  for (const end of ends) line(pen, middle - 2.5, y(sign * end), middle + 2.5, y(sign * end), colour);
}
