import { type Signal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { language, zone } from "../app/settings";
import { type Colours, colours } from "../theme/colours";
import { linear, type Span, timeTicks } from "./scale";

/** The plot within its canvas, CSS pixels. The value axis is on the right, the time axis below. */
export interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Epoch ms to x. */
  readonly x: (at: number) => number;
}

export type Pen = CanvasRenderingContext2D;
export type Paint = (pen: Pen, plot: Plot, palette: Colours) => void;

export interface SurfaceProps {
  /** What a reader who sees no picture is told. */
  readonly label: string;
  /** CSS pixels. */
  readonly height: number;
  readonly from: number;
  readonly to: number;
  /** Width of the value axis, CSS pixels. */
  readonly axis: number;
  /** Makes the picture; repainted when it becomes another function. */
  readonly paint: Paint;
  /** What moves with the crosshair. */
  readonly over?: (pen: Pen, plot: Plot, palette: Colours, at: number) => void;
  /** Epoch ms under the crosshair, shared between charts. */
  readonly cursor: Signal<number | null>;
  /** What an arrow key moves by, ms. */
  readonly stepMs: number;
  readonly canvas?: ((canvas: HTMLCanvasElement | null) => void) | undefined;
}

export const FONT = "11px system-ui, 'Noto Sans CJK KR', 'Noto Sans KR', sans-serif";
const TIME_AXIS = 20;

/** Two canvases, one for the picture and one for the crosshair: sharp at any pixel ratio, focusable, resized. */
export function Surface(props: SurfaceProps) {
  const { from, to, axis, height, cursor } = props;
  const host = useRef<HTMLDivElement>(null);
  const base = useRef<HTMLCanvasElement>(null);
  const top = useRef<HTMLCanvasElement>(null);
  const width = useWidth(host);
  const palette = colours.value;
  const isLocal = zone.value === "local";
  const plot: Plot = {
    left: 2,
    right: Math.max(3, width - axis),
    top: 6,
    bottom: height - TIME_AXIS,
    x: linear(from, to, 2, Math.max(3, width - axis)),
  };
  const latest = useRef({ plot, props });
  latest.current = { plot, props };

  useLayoutEffect(() => {
    const pen = sized(base.current, width, height);
    if (pen === null) return;
    timeAxis(pen, plot, palette, from, to, isLocal);
    props.paint(pen, plot, palette);
  }, [props.paint, width, height, palette, from, to, isLocal, axis]);
  useSignalEffect(() => {
    const at = cursor.value;
    const now = latest.current;
    const pen = sized(top.current, width, height);
    if (pen === null || at === null || at < now.props.from || at > now.props.to) return;
    crosshair(pen, now.plot, colours.value, at, zone.value === "local");
    now.props.over?.(pen, now.plot, colours.value, at);
  });
  useEffect(() => {
    props.canvas?.(base.current);
    return () => props.canvas?.(null);
  }, []);

  const moveTo = (at: number | null) => {
    cursor.value = at === null ? null : Math.min(to, Math.max(from, at));
  };
  const pointed = (event: PointerEvent) => {
    const box = host.current?.getBoundingClientRect();
    if (box !== undefined) moveTo(linear(plot.left, plot.right, from, to)(event.clientX - box.left));
  };
  const pressed = (event: KeyboardEvent) => {
    const at = cursor.value ?? to;
    const target = keyTarget(event.key, at, props.stepMs * (event.shiftKey ? 10 : 1), from, to);
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    moveTo(target);
  };
  return (
    <div
      ref={host}
      class="surface"
      role="img"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move the crosshair, the legend reads its values
      tabIndex={0}
      aria-label={props.label}
      onPointerMove={pointed}
      onPointerDown={pointed}
      onPointerLeave={() => moveTo(null)}
      onKeyDown={pressed}
      onBlur={() => moveTo(null)}
      style={{ height: `${height}px` }}
    >
      <canvas ref={base} />
      <canvas ref={top} />
    </div>
  );
}

function keyTarget(key: string, at: number, step: number, from: number, to: number): number | null | undefined {
  if (key === "ArrowLeft") return at - step;
  if (key === "ArrowRight") return at + step;
  if (key === "Home") return from;
  if (key === "End") return to;
  return key === "Escape" ? null : undefined;
}

function useWidth(host: { readonly current: HTMLDivElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = host.current;
    if (element === null) return;
    setWidth(element.clientWidth);
    const watching = new ResizeObserver(() => setWidth(element.clientWidth));
    watching.observe(element);
    return () => watching.disconnect();
  }, []);
  return width;
}

/** An empty canvas of a size in CSS pixels; drawing is in CSS pixels. */
function sized(canvas: HTMLCanvasElement | null, width: number, height: number): Pen | null {
  const pen = canvas?.getContext("2d") ?? null;
  if (canvas === null || pen === null || width <= 0) return null;
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.font = FONT;
  return pen;
}

/** `HH:MM`, or the day where a day begins. */
export function timeLabel(at: number, isLocal: boolean, isDay = false): string {
  const where = isLocal ? {} : { timeZone: "UTC" };
  const options: Intl.DateTimeFormatOptions = isDay
    ? { day: "numeric", month: "short", ...where }
    : { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...where };
  return new Intl.DateTimeFormat(language.value === "ko" ? "ko" : "en-GB", options).format(at);
}

function timeAxis(pen: Pen, plot: Plot, palette: Colours, from: number, to: number, isLocal: boolean): void {
  const offset = isLocal ? -new Date(to).getTimezoneOffset() * 60_000 : 0;
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  for (const { at, isDay } of timeTicks(from, to, Math.max(2, (plot.right - plot.left) / 78), offset)) {
    const x = Math.round(plot.x(at)) + 0.5;
    line(pen, x, plot.top, x, plot.bottom, palette.line, 1, isDay ? [] : [1, 4]);
    if (x < plot.left + 18 || x > plot.right - 12) continue;
    pen.fillStyle = palette.dim;
    pen.fillText(timeLabel(at, isLocal, isDay), x, plot.bottom + TIME_AXIS / 2 + 1);
  }
}

function crosshair(pen: Pen, plot: Plot, palette: Colours, at: number, isLocal: boolean): void {
  const x = Math.round(plot.x(at)) + 0.5;
  line(pen, x, plot.top, x, plot.bottom, palette.dim, 1, [4, 3]);
  const text = timeLabel(at, isLocal);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const half = pen.measureText(text).width / 2 + 5;
  const middle = Math.min(plot.right - half, Math.max(plot.left + half, x));
  pen.fillStyle = palette.card;
  pen.fillRect(middle - half - 14, plot.bottom + 2, half * 2 + 28, TIME_AXIS - 4);
  pen.fillStyle = palette.text;
  pen.fillRect(middle - half, plot.bottom + 2, half * 2, TIME_AXIS - 4);
  pen.fillStyle = palette.card;
  pen.fillText(text, middle, plot.bottom + TIME_AXIS / 2 + 1);
}

/** One straight stroke. */
export function line(
  pen: Pen,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  colour: string,
  width = 1,
  dash: readonly number[] = [],
): void {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash([...dash]);
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
  pen.setLineDash([]);
}

/** Time that was not seen: diagonal hatching over the whole height. */
export function hatch(pen: Pen, plot: Plot, palette: Colours, spans: readonly Span[]): void {
  for (const [from, to] of spans) {
    const left = Math.max(plot.left, plot.x(from));
    const right = Math.min(plot.right, plot.x(to));
    if (right - left < 0.5) continue;
    hatchBox(pen, left, plot.top, right - left, plot.bottom - plot.top, palette);
  }
}

/** A hatched rectangle. */
export function hatchBox(pen: Pen, left: number, top: number, width: number, height: number, palette: Colours): void {
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.globalAlpha = 0.55;
  pen.strokeStyle = palette.dim;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let x = Math.floor((left - height) / 7) * 7; x < left + width; x += 7) {
    pen.moveTo(x, top + height);
    pen.lineTo(x + height, top);
  }
  pen.stroke();
  pen.restore();
}

/** Labels of values on the right, with a faint line through the plot. */
export function valueAxis(
  pen: Pen,
  plot: Plot,
  palette: Colours,
  y: (value: number) => number,
  values: readonly number[],
  format: (value: number) => string,
): void {
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  for (const value of values) {
    const at = Math.round(y(value)) + 0.5;
    line(pen, plot.left, at, plot.right, at, palette.line, 1, value === 0 ? [] : [1, 4]);
    pen.fillStyle = palette.dim;
    pen.fillText(format(value), plot.right + 6, Math.min(plot.bottom - 4, Math.max(plot.top + 5, at)));
  }
}
