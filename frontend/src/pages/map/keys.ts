/** The keys of the map page. */

import type { ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { type Keys, useKeys } from "../../app/keyboard";
import { language } from "../../app/settings";
import { type Heat, quantileUsd } from "../../charts/heatmap";
import type { MapModel } from "../../charts/map_model";
import {
  at,
  chart,
  effectiveInterval,
  explained,
  hide,
  hovered,
  INTERVALS,
  interval,
  PROFILES,
  pinned,
  profile,
  scale,
  stepped,
} from "./view";
import { says } from "./words";

const ZOOM = 1.25;
const PAN = 0.1;
const HIDDEN = [0.6, 0.8, 0.9, 0.97] as const;

/** Move the price of the what-if by bins, away from the price of the map first. */
function move(model: MapModel | null, by: number): void {
  if (!model) return;
  const bin = model.longs[0] ?? model.shorts[0];
  const step = bin ? bin.high - bin.low : 0.001 * model.price;
  const from = at.peek() ?? model.price;
  hovered.value = null;
  pinned.value = String(Number((Math.round(from / step) * step + by * step).toPrecision(8)));
}

/** Hide more at each press; at last nothing is hidden, then as it was first. */
function hideMore(heat: Heat | null): void {
  if (!heat) return;
  if (hide.peek() === "0") {
    hide.value = "auto";
    return;
  }
  const now = hide.peek() === "auto" ? quantileUsd(heat, HIDDEN[0]) : Number(hide.peek());
  const next = HIDDEN.map((share) => quantileUsd(heat, share)).find((usd) => usd > now * 1.01);
  hide.value = next === undefined ? "0" : next.toFixed(0);
}

function full(): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void document.querySelector("#main")?.requestFullscreen?.();
}

/** `[ ]`, `+ −`, arrows, `0 t m l f`, Enter, Esc while the page is open. */
export function useMapKeys(model: ReadonlySignal<MapModel | null>, heat: ReadonlySignal<Heat | null>): void {
  const spoken = language.value;
  const wanted = useMemo<Keys>(() => {
    const key = (label: string, run: () => void) => ({ label, run });
    const candles = (by: number) => () => {
      interval.value = stepped(INTERVALS, effectiveInterval.peek(), by);
    };
    return {
      "[": key(says("key_interval"), candles(-1)),
      "]": key(says("key_interval"), candles(1)),
      "+": key(says("key_zoom"), () => chart.peek()?.zoom(ZOOM)),
      "=": key(says("key_zoom"), () => chart.peek()?.zoom(ZOOM)),
      "-": key(says("key_zoom"), () => chart.peek()?.zoom(1 / ZOOM)),
      ArrowLeft: key(says("key_pan"), () => chart.peek()?.pan(-PAN)),
      ArrowRight: key(says("key_pan"), () => chart.peek()?.pan(PAN)),
      "0": key(says("key_fit"), () => chart.peek()?.fit()),
      t: key(says("key_hide"), () => hideMore(heat.peek())),
      m: key(says("key_profile"), () => {
        profile.value = PROFILES[(PROFILES.indexOf(profile.peek()) + 1) % PROFILES.length] ?? "calibrated";
      }),
      l: key(says("key_log"), () => {
        scale.value = scale.peek() === "log" ? "linear" : "log";
      }),
      f: key(says("key_full"), full),
      ArrowUp: key(says("key_move"), () => move(model.peek(), 1)),
      ArrowDown: key(says("key_move"), () => move(model.peek(), -1)),
      Enter: key(says("key_why"), () => {
        const price = at.peek();
        if (price !== null) explained.value = String(Number(price.toPrecision(6)));
      }),
      Escape: key(says("key_clear"), () => {
        if (explained.peek() !== "") explained.value = "";
        else pinned.value = "";
      }),
    };
  }, [spoken, model, heat]);
  useKeys(wanted);
}
