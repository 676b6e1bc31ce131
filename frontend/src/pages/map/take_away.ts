/** The page to take away: its rows, and the picture of chart and map with what they are written on it. */
import { coin } from "../../app/route";
import { type Heat, usdOf } from "../../charts/heatmap";
import type { MapBody } from "../../charts/map_model";
import { standing } from "../../live/standing";
import { colours } from "../../theme/colours";
import type { Sheet } from "../../ui/export";
import { iso } from "../../ui/format";
import { chart, effectiveInterval, lookback, profile } from "./view";
import { says } from "./words";

const HEAD = 34;
const GAP = 8;

/** The bins as the API tells them. */
export function mapSheet(body: MapBody | null): Sheet {
  const columns = [
    "side",
    "low",
    "high",
    "usd",
    "gross_usd",
    "remaining_pct",
    "status",
    "distance_pct",
    "measured_usd",
  ];
  return {
    name: `perpscope-map-${coin.peek()}`,
    columns,
    rows: (body?.bins ?? []).map((bin) => [
      bin.side,
      bin.low,
      bin.high,
      bin.usd,
      bin.gross_usd,
      bin.remaining_pct,
      bin.status,
      bin.distance_pct,
      bin.measured_usd,
    ]),
    notes: [`MODEL, ${body?.data ?? "unknown"} data, as of ${iso(body?.at_ms) ?? "unknown"}`, ...(body?.notes ?? [])],
  };
}

/** Cells that hold something, from the newest column back. */
export function heatSheet(heat: Heat | null): Sheet {
  const rows: Sheet["rows"] = [];
  for (let column = (heat?.columns ?? 0) - 1; heat && column >= 0; column--) {
    for (let bin = heat.bins - 1; bin >= 0; bin--) {
      const code = heat.cells[column * heat.bins + bin] ?? 0;
      if (code === 0) continue;
      const low = heat.low + bin * heat.width;
      const cell = Number(usdOf(heat, code).toPrecision(3));
      rows.push([iso(heat.firstMs + column * heat.stepMs), low, low + heat.width, cell]);
    }
  }
  const notes = [`MODEL, ${standing.peek().data ?? "unknown"} data; dollars within 2 %, both sides together`];
  return { name: `perpscope-heatmap-${coin.peek()}`, columns: ["time", "low", "high", "usd"], rows, notes };
}

/** Chart and map beside each other beneath what they were set to; the panel writes title, time, MODEL and DEMO DATA above. */
export function pictureOf(profileCanvas: HTMLCanvasElement | null): HTMLCanvasElement | null {
  const made = chart.peek();
  const left = made?.chart.takeScreenshot(true) ?? null;
  if (!made || !left) return null;
  const ratio = devicePixelRatio || 1;
  const place = profileCanvas?.getBoundingClientRect();
  const isBeside = place !== undefined && place.left > made.host.getBoundingClientRect().left;
  const beside = isBeside ? profileCanvas : null;
  const shift = isBeside ? place.top - made.host.getBoundingClientRect().top : 0;
  const palette = colours.peek();
  const whole = document.createElement("canvas");
  whole.width = left.width + (beside ? beside.width + GAP * ratio : 0);
  whole.height = left.height + HEAD * ratio;
  const pen = whole.getContext("2d");
  if (!pen) return null;
  pen.fillStyle = palette.card;
  pen.fillRect(0, 0, whole.width, whole.height);
  pen.drawImage(left, 0, HEAD * ratio);
  if (beside) pen.drawImage(beside, left.width + GAP * ratio, (HEAD + shift) * ratio);
  pen.fillRect(0, 0, whole.width, HEAD * ratio);
  pen.scale(ratio, ratio);
  pen.font = "600 13px system-ui, sans-serif";
  pen.fillStyle = palette.text;
  pen.fillText(`${lookback.peek()} · ${effectiveInterval.peek()} · ${says(profile.peek())}`, 10, 21);
  return whole;
}
