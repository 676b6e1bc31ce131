/** The heatmap beneath the candles: one image, drawn at once; a cell's colour is read from a table of 256. */
import type {
  IChartApi,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesApi,
  ISeriesPrimitive,
  Logical,
  SeriesAttachedParameter,
  Time,
} from "lightweight-charts";

/** Dollars over time and price, a byte for each cell: 0 is empty, b tells least · (most ÷ least)^((b − 1) ÷ 254). */
export interface Heat {
  /** Column after column, each with its lowest price first. */
  cells: Uint8Array;
  columns: number;
  bins: number;
  /** Epoch ms of the first column, and between two. */
  firstMs: number;
  stepMs: number;
  /** Lower edge of the lowest bin and width of each, quote per base. */
  low: number;
  width: number;
  leastUsd: number;
  mostUsd: number;
}

/** The prices of a candle; none of them where there is a blank. */
export interface Covered {
  openMs: number;
  open?: number;
  high?: number;
  low?: number;
  close?: number;
}

const CODES = 254;
/** Of the way from a candle to the next, what half of its body takes. */
const HALF_BODY = 0.4;

/** The heat of an answer in bytes; null where it holds none. */
export function heatOf(bytes: Uint8Array, headers: Pick<Headers, "get">): Heat | null {
  const figure = (name: string): number => Number(headers.get(`X-Heatmap-${name}`) ?? Number.NaN);
  const columns = figure("Columns");
  const bins = figure("Bins");
  if (!(columns * bins > 0) || bytes.length !== columns * bins) return null;
  return {
    cells: bytes,
    columns,
    bins,
    firstMs: figure("First-Ms"),
    stepMs: figure("Step-Ms"),
    low: figure("Low"),
    width: figure("Width"),
    leastUsd: figure("Least-Usd"),
    mostUsd: figure("Most-Usd"),
  };
}

/** Dollars of a code. */
export function usdOf(heat: Pick<Heat, "leastUsd" | "mostUsd">, code: number): number {
  return code === 0 ? 0 : heat.leastUsd * (heat.mostUsd / heat.leastUsd) ** ((code - 1) / CODES);
}

/** Dollars that a share of the cells which hold something do not exceed, of those between two prices. */
export function quantileUsd(heat: Heat, share: number, prices?: readonly [number, number] | null): number {
  const counts = new Uint32Array(256);
  const [low, high] = (prices ?? [0, 1e99]).map((price) => (price - heat.low) / heat.width) as [number, number];
  let total = 0;
  heat.cells.forEach((code, at) => {
    const bin = at % heat.bins;
    if (!code || bin < low || bin > high) return;
    counts[code] = (counts[code] ?? 0) + 1;
    total++;
  });
  let left = share * total;
  for (let code = 1; code < 256; code++) {
    left -= counts[code] ?? 0;
    if (left <= 0) return usdOf(heat, code);
  }
  return heat.mostUsd;
}

/** The colour (RGBA in memory order) of each code: nothing below `from` dollars, the end of the ramp from `to` on. */
export function coloursOf(heat: Heat, ramp: Uint8Array, from: number, to: number): Uint32Array {
  const made = new Uint32Array(256);
  const view = new DataView(made.buffer);
  for (let code = 1; code < 256; code++) {
    const usd = usdOf(heat, code);
    if (usd < from) continue;
    const share = Math.sqrt(Math.min(1, Math.max(0, (usd - from) / Math.max(1e-9, to - from))));
    const at = Math.round(share * 255);
    for (let part = 0; part < 3; part++) view.setUint8(code * 4 + part, ramp[at * 3 + part] ?? 0);
    view.setUint8(code * 4 + 3, Math.round(255 * Math.min(1, 0.25 + share * 1.6)));
  }
  return made;
}

/** Draws a heat as a primitive of a candle series. */
export class HeatLayer implements ISeriesPrimitive<Time>, IPrimitivePaneView, IPrimitivePaneRenderer {
  private chart: IChartApi | null = null;
  private series: ISeriesApi<"Candlestick"> | null = null;
  private ask: () => void = () => undefined;
  private heat: Heat | null = null;
  private readonly image = document.createElement("canvas");
  /** Epoch ms to the place of a bar, and until when the newest column holds. */
  logicalOf: (ms: number) => number = () => 0;
  untilMs = 0;
  onDraw: () => void = () => undefined;
  isLogarithmic = false;
  /** Candles by their place, and the colour of the thin edge around them; null = without an edge. */
  bars: readonly Covered[] = [];
  edge: string | null = null;

  attached(to: SeriesAttachedParameter<Time>): void {
    this.chart = to.chart as IChartApi;
    this.series = to.series as ISeriesApi<"Candlestick">;
    this.ask = to.requestUpdate;
  }
  detached(): void {
    this.chart = null;
    this.series = null;
  }
  updateAllViews(): void {}
  paneViews(): readonly IPrimitivePaneView[] {
    return [this];
  }
  zOrder(): "bottom" {
    return "bottom";
  }
  renderer(): IPrimitivePaneRenderer {
    return this;
  }

  /** Paint the image anew; null takes it away. */
  show(heat: Heat | null, colours: Uint32Array): void {
    this.heat = heat;
    const { image } = this;
    if (heat) {
      image.width = heat.columns;
      image.height = heat.bins;
      const pen = image.getContext("2d");
      const data = pen?.createImageData(heat.columns, heat.bins);
      if (!pen || !data) return;
      const pixels = new Uint32Array(data.data.buffer);
      for (let column = 0; column < heat.columns; column++) {
        for (let bin = 0; bin < heat.bins; bin++) {
          const code = heat.cells[column * heat.bins + bin] ?? 0;
          pixels[(heat.bins - 1 - bin) * heat.columns + column] = colours[code] ?? 0;
        }
      }
      pen.putImageData(data, 0, 0);
    }
    this.ask();
  }

  draw(target: Parameters<IPrimitivePaneRenderer["draw"]>[0]): void {
    target.useBitmapCoordinateSpace(({ context, horizontalPixelRatio: h, verticalPixelRatio: v }) => {
      const { heat, chart, series } = this;
      if (heat && chart && series) {
        // places between two bars are not told, so they are reckoned from the first two
        const first = chart.timeScale().logicalToCoordinate(0 as Logical);
        const second = chart.timeScale().logicalToCoordinate(1 as Logical);
        const x = (ms: number): number | null =>
          first === null || second === null ? null : (first + (second - first) * this.logicalOf(ms)) * h;
        const y = (price: number): number | null => {
          const found = series.priceToCoordinate(price);
          return found === null ? null : found * v;
        };
        this.blit(context, heat, x, y);
        if (this.edge !== null && first !== null && second !== null) {
          context.fillStyle = this.edge;
          this.surround(context, first * h, (second - first) * h, y, Math.max(1, Math.round(v)));
        }
      }
    });
    this.onDraw();
  }

  /** Edges of all candles: they stay readable on the darkest cells. */
  private surround(
    pen: CanvasRenderingContext2D,
    first: number,
    step: number,
    y: (price: number) => number | null,
    wide: number,
  ): void {
    const fill = (at: number, half: number, one: number, other: number): void => {
      const [top, bottom] = [y(Math.max(one, other)), y(Math.min(one, other))];
      if (top === null || bottom === null) return;
      pen.fillRect(Math.round(at - half) - wide, top - wide, Math.round(2 * half) + 2 * wide, bottom - top + 2 * wide);
    };
    this.bars.forEach(({ open, high, low, close }, place) => {
      const at = first + place * step;
      if (open === undefined || high === undefined || low === undefined || close === undefined) return;
      if (at < -step || at > pen.canvas.width + step) return;
      fill(at, wide / 2, high, low);
      fill(at, HALF_BODY * step, open, close);
    });
  }

  private blit(
    pen: CanvasRenderingContext2D,
    heat: Heat,
    x: (ms: number) => number | null,
    y: (price: number) => number | null,
  ): void {
    const left = x(heat.firstMs);
    const lastMs = heat.firstMs + (heat.columns - 1) * heat.stepMs;
    const start = x(lastMs);
    const right = x(Math.max(lastMs + heat.stepMs, this.untilMs));
    if (left === null || right === null || start === null) return;
    pen.imageSmoothingEnabled = false;
    const rows = this.isLogarithmic ? heat.bins : 1;
    for (let row = 0; row < rows; row++) {
      // a logarithmic axis stretches each bin by its own factor
      const bins = heat.bins / rows;
      const bottom = y(heat.low + (heat.bins - (row + 1) * bins) * heat.width);
      const top = y(heat.low + (heat.bins - row * bins) * heat.width);
      if (top === null || bottom === null) continue;
      const from = row * bins;
      pen.drawImage(this.image, 0, from, heat.columns - 1, bins, left, top, start - left, bottom - top);
      pen.drawImage(this.image, heat.columns - 1, from, 1, bins, start, top, right - start, bottom - top);
    }
  }
}
