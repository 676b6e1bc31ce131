/** The candles over the heat, in an element: what changes is drawn at most ten times a second. */
import { type ReadonlySignal, useComputed, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { coin } from "../../app/route";
import { ramp } from "../../app/settings";
import { type Bar, CandleChart } from "../../charts/candles";
import { withNewest } from "../../charts/heat_news";
import { coloursOf, type Heat, quantileUsd } from "../../charts/heatmap";
import { type MapBody, type MapModel, span } from "../../charts/map_model";
import type { Answer } from "../../live/answers";
import { figures } from "../../live/figures";
import { colours } from "../../theme/colours";
import { rampOf } from "../../theme/ramps";
import { clock, datetime, placesOf, price, zoneName } from "../../ui/format";
import { formed, paced } from "./forming";
import type { HeatBody } from "./heat_answer";
import type { Candles, CandlesBody } from "./source";
import { chart, drawn, held, hide, hovered, pinned, scale, stepMs } from "./view";
import { says } from "./words";

const PACE_MS = 100;
const DAY_MS = 86_400_000;
const AUTO_HIDDEN = 0.6;
const AUTO_END = 0.999;

/** Oldest first. */
export const barsOf = (body: CandlesBody | null): Bar[] =>
  (body?.candles ?? [])
    .map(({ open_ms, open, high, low, close }) => ({ openMs: open_ms, open, high, low, close }))
    .reverse();

/** Dollars from where and up to where colours run. */
export interface Limits {
  from: number;
  to: number;
}

/** The limits of the settings for a heat. */
export function limitsOf(heat: Heat): Limits {
  const asked = Number(hide.value);
  const from = hide.value === "auto" || !(asked >= 0) ? quantileUsd(heat, AUTO_HIDDEN, chart.value?.range) : asked;
  const end = Number(held.value);
  return { from, to: held.value !== "" && end > 0 ? end : quantileUsd(heat, AUTO_END, chart.value?.range) };
}

/** The heat with the newest map at its end. */
export function useHeatNow(
  answer: ReadonlySignal<Answer<HeatBody>>,
  body: ReadonlySignal<MapBody | null>,
): ReadonlySignal<Heat | null> {
  return useComputed(() => {
    const heat = answer.value.body?.heat ?? null;
    const map = body.value;
    return heat && map?.at_ms != null ? withNewest(heat, map.bins, map.at_ms) : heat;
  });
}

interface ChartProps {
  candles: Candles;
  heat: ReadonlySignal<Heat | null>;
  model: ReadonlySignal<MapModel | null>;
}

const wordsOfChart = {
  price: (value: number) => price(value, value >= 10_000 ? 1 : 10 ** -placesOf(value)),
  time: (ms: number) => `${datetime(ms).slice(0, 16)} ${zoneName()}`,
  tick: (ms: number) => (ms % DAY_MS === 0 ? clock(ms, "date").slice(5) : clock(ms, "minute")),
};

function useChart() {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!host.current) return undefined;
    const made = new CandleChart(host.current, wordsOfChart);
    made.heat.onDraw = () => {
      drawn.value = drawn.peek() + 1;
    };
    made.chart.subscribeCrosshairMove(({ point, sourceEvent }) => {
      if (sourceEvent || !point) hovered.value = point ? made.priceAt(point.y) : null;
    });
    made.chart.subscribeClick(({ point }) => {
      const at = point && made.priceAt(point.y);
      if (at) pinned.value = String(Number(at.toPrecision(6)));
    });
    chart.value = made;
    return () => {
      chart.value = null;
      made.remove();
    };
  }, []);
  return host;
}

/** The prices and the candles: all of them where an answer came, the newest as it forms. */
function usePrices({ candles, model }: ChartProps): void {
  const soon = useMemo(() => paced(PACE_MS), []);
  const state = useMemo(() => ({ fitted: "", newest: null as Bar | null, centred: 0 }), []);
  useSignalEffect(() => {
    const made = chart.value;
    const body = candles.answer.value.body;
    const price = model.value?.price ?? 0;
    if (!made || !body?.candles.length) return;
    const bars = barsOf(body);
    const low = Math.min(...bars.map((bar) => bar.low));
    const high = Math.max(...bars.map((bar) => bar.high));
    const last = bars.at(-1) as Bar;
    const isForming =
      state.newest && state.newest.openMs > last.openMs && last.openMs >= state.newest.openMs - stepMs.peek();
    made.setBars(bars, stepMs.peek(), span(low, high, price || last.close));
    made.heat.untilMs = last.openMs + stepMs.peek();
    if (isForming && state.newest) made.update(state.newest);
    else state.newest = last;
    const view = `${body.interval} ${body.instrument} ${bars[0]?.openMs === undefined ? "" : bars.length}`;
    if (view !== state.fitted) made.fit();
    state.fitted = view;
  });
  useSignalEffect(() => {
    const minute = candles.forming.value.data?.["1m"];
    const mark = candles.mark.value;
    const made = chart.value;
    if (!made) return;
    soon(() => {
      if (chart.peek() !== made) return;
      const before = performance.now();
      const next = minute && state.newest ? formed(state.newest, minute, stepMs.peek()) : null;
      if (next) {
        state.newest = next;
        made.update(next);
        made.heat.untilMs = next.openMs + stepMs.peek();
      }
      if (mark !== null) made.setMark(mark, colours.peek());
      figures.handled(performance.now() - before);
    });
  });
}

/** The chart; it tells its crosshair to `hovered`. */
export function Chart(props: ChartProps) {
  const host = useChart();
  usePrices(props);
  useSignalEffect(() => chart.value?.dress(colours.value));
  useSignalEffect(() => {
    const price = Number(pinned.value);
    chart.value?.setPin(pinned.value !== "" && price > 0 ? price : null, colours.value);
  });
  useSignalEffect(() => chart.value?.setLogarithmic(scale.value === "log"));
  useSignalEffect(() => {
    const heat = props.heat.value;
    const made = chart.value;
    if (!made) return;
    const limits = heat ? limitsOf(heat) : { from: 0, to: 1 };
    const table = rampOf(ramp.value, colours.value.isDark);
    made.heat.show(heat, heat ? coloursOf(heat, table, limits.from, limits.to) : new Uint32Array(256));
  });
  return <div ref={host} class="candle-chart" role="img" aria-label={says("chart_label", { coin: coin.value })} />;
}
