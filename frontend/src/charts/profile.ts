/** The liquidation map beside the candles: bars by price, what adds up from the price outwards, the largest clusters. */

import type { Colours } from "../theme/colours";
import { type Bin, cumulated, type Label, type MapModel, whatIf } from "./map_model";
import { ticks } from "./ticks";

export interface ProfileWords {
  price: (price: number) => string;
  usd: (usd: number) => string;
  percent: (percent: number) => string;
  longs: string;
  shorts: string;
}

export interface ProfileScene {
  model: MapModel;
  labels: readonly Label[];
  /** CSS pixels from the top of the canvas; null = out of sight. */
  yOf: (price: number) => number | null;
  /** Under the crosshair or pinned, quote per base. */
  at: number | null;
  /** The price now. */
  price: number;
  /** Prices are written at the left edge: the canvas has an axis of its own. */
  hasAxis: boolean;
}

const FONT = "11px system-ui, 'Noto Sans CJK KR', 'Noto Sans KR', sans-serif";
const NUMBERS = "11px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace";

interface Surface {
  pen: CanvasRenderingContext2D;
  /** CSS pixels. */
  width: number;
  height: number;
}

/** Make a canvas as large as it is shown; its size in CSS pixels. */
export function fitted(canvas: HTMLCanvasElement): Surface | null {
  const { clientWidth: width, clientHeight: height } = canvas;
  const pen = canvas.getContext("2d");
  if (!pen || !width || !height) return null;
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

function drawBars(
  pen: CanvasRenderingContext2D,
  bins: readonly Bin[],
  scene: ProfileScene,
  most: number,
  width: number,
  palette: Colours,
): void {
  for (const bin of bins) {
    const top = scene.yOf(bin.high);
    const bottom = scene.yOf(bin.low);
    if (top === null || bottom === null || bin.usd <= 0) continue;
    const height = Math.max(1, bottom - top - (bottom - top > 3 ? 1 : 0));
    const long = (bin.usd / most) * width;
    const isWhatIf = scene.at !== null && (bin.isLong ? bin.high > scene.at : bin.low < scene.at);
    pen.globalAlpha = scene.at === null || isWhatIf ? 1 : 0.45;
    pen.fillStyle = bin.isLong ? palette.longBar : palette.shortBar;
    pen.fillRect(0, top, long, height);
    if (bin.measured > 0) {
      pen.fillStyle = palette.model;
      pen.fillRect(0, top, Math.min(long, (bin.measured / most) * width), Math.min(2, height));
    }
  }
  pen.globalAlpha = 1;
}

function drawCurve(
  pen: CanvasRenderingContext2D,
  bins: readonly Bin[],
  scene: ProfileScene,
  most: number,
  width: number,
  colour: string,
): void {
  pen.beginPath();
  let isBegun = false;
  const start = scene.yOf(scene.model.price);
  if (start !== null) {
    pen.moveTo(0, start);
    isBegun = true;
  }
  for (const [price, usd] of cumulated(bins)) {
    const y = scene.yOf(price);
    if (y === null) continue;
    if (isBegun) pen.lineTo((usd / most) * width, y);
    else pen.moveTo((usd / most) * width, y);
    isBegun = true;
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.stroke();
}

function drawLabel(pen: CanvasRenderingContext2D, label: Label, words: ProfileWords, palette: Colours): void {
  const text = `${words.price(label.price)}  ${words.percent(label.distancePct)}  ${words.usd(label.usd)}`;
  pen.font = NUMBERS;
  const width = pen.measureText(text).width + 12;
  pen.globalAlpha = 0.86;
  pen.fillStyle = palette.card;
  pen.beginPath();
  pen.roundRect(4, label.y - 9, width, 18, 4);
  pen.fill();
  pen.globalAlpha = 1;
  pen.fillStyle = label.isLong ? palette.long : palette.short;
  pen.fillRect(4, label.y - 9, 3, 18);
  pen.fillStyle = palette.text;
  pen.fillText(text, 11, label.y + 4);
}

const TICKS = 6;

/** Prices at the right edge, where the map has an axis of its own. */
function drawAxis(
  pen: CanvasRenderingContext2D,
  scene: ProfileScene,
  surface: Surface,
  words: ProfileWords,
  colour: string,
): void {
  const prices = [...scene.model.longs, ...scene.model.shorts].flatMap((bin) => [bin.low, bin.high]);
  const seen = prices.filter((price) => {
    const y = scene.yOf(price);
    return y !== null && y >= 0 && y <= surface.height;
  });
  pen.font = NUMBERS;
  pen.textAlign = "right";
  pen.fillStyle = colour;
  for (const price of ticks(Math.min(...seen), Math.max(...seen), TICKS)) {
    const y = scene.yOf(price);
    if (y !== null) pen.fillText(words.price(price), surface.width - 6, y + 4);
  }
  pen.textAlign = "left";
}

function across(pen: CanvasRenderingContext2D, y: number, width: number, colour: string, dash: number[]): void {
  pen.setLineDash(dash);
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(0, Math.round(y) + 0.5);
  pen.lineTo(width, Math.round(y) + 0.5);
  pen.stroke();
  pen.setLineDash([]);
}

/** Everything in sight adds up to this, dollars of either side: the scale of the curves. */
function mostOf(scene: ProfileScene, height: number): { bar: number; sum: number; seen: readonly Bin[] } {
  const seen = [...scene.model.longs, ...scene.model.shorts].filter((bin) => {
    const y = scene.yOf((bin.low + bin.high) / 2);
    return y !== null && y >= 0 && y <= height;
  });
  const sums = [true, false].map((isLong) => {
    const edge = seen.filter((bin) => bin.isLong === isLong).at(-1);
    return edge ? whatIf(scene.model, isLong ? edge.low : edge.high).usd : 0;
  });
  return { bar: Math.max(1, ...seen.map((bin) => bin.usd)), sum: Math.max(1, ...sums), seen };
}

/** Draw it all. */
export function drawProfile(
  canvas: HTMLCanvasElement,
  scene: ProfileScene,
  words: ProfileWords,
  palette: Colours,
): void {
  const surface = fitted(canvas);
  if (!surface) return;
  const { pen, width, height } = surface;
  const most = mostOf(scene, height);
  drawBars(pen, most.seen, scene, most.bar, width - 10, palette);
  drawCurve(pen, scene.model.longs, scene, most.sum, width - 14, palette.long);
  drawCurve(pen, scene.model.shorts, scene, most.sum, width - 14, palette.short);
  const price = scene.yOf(scene.price);
  if (price !== null) across(pen, price, width, palette.text, [4, 3]);
  if (scene.hasAxis) drawAxis(pen, scene, surface, words, palette.dim);
  for (const label of scene.labels) drawLabel(pen, label, words, palette);
  if (scene.at !== null) {
    const y = scene.yOf(scene.at);
    if (y !== null) across(pen, y, width, palette.strongLine, [2, 2]);
  }
  pen.font = FONT;
  pen.textAlign = "right";
  pen.fillStyle = palette.short;
  pen.fillText(words.shorts, width - 6, 14);
  pen.fillStyle = palette.long;
  pen.fillText(words.longs, width - 6, height - 8);
  pen.textAlign = "left";
}
