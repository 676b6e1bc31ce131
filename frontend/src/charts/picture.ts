import { colours } from "../theme/colours";
import { FONT } from "./surface";

/** One part of a picture: its title and its canvas. */
export interface Part {
  readonly title: string;
  readonly canvas: HTMLCanvasElement | null;
}

const TITLE = 22;

/** Charts below each other on the card's ground, with their titles: what a panel hands over as PNG. */
export function pictureOf(parts: readonly Part[]): HTMLCanvasElement | null {
  const drawn = parts.flatMap(({ title, canvas }) => (canvas && canvas.width > 0 ? [{ title, canvas }] : []));
  if (drawn.length === 0) return null;
  const ratio = globalThis.devicePixelRatio || 1;
  const whole = document.createElement("canvas");
  whole.width = Math.max(...drawn.map(({ canvas }) => canvas.width));
  whole.height = drawn.reduce((sum, { canvas }) => sum + canvas.height + TITLE * ratio, 0);
  const pen = whole.getContext("2d");
  if (pen === null) return null;
  pen.fillStyle = colours.peek().card;
  pen.fillRect(0, 0, whole.width, whole.height);
  let top = 0;
  for (const { title, canvas } of drawn) {
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = FONT;
    pen.fillStyle = colours.peek().text;
    pen.fillText(title, 6, top / ratio + 15);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(canvas, 0, top + TITLE * ratio);
    top += canvas.height + TITLE * ratio;
  }
  return whole;
}
