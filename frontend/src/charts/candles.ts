/** Candles with a price axis, a time axis and a crosshair: TradingView's Lightweight Charts, dressed as ours. */
import {
  type CandlestickData,
  CandlestickSeries,
  ColorType,
  CrosshairMode,
  createChart,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  LineStyle,
  PriceScaleMode,
  type UTCTimestamp,
  type WhitespaceData,
} from "lightweight-charts";
import type { Colours } from "../theme/colours";
import { HeatLayer } from "./heatmap";

/** One candle; prices in quote per base, its opening in epoch ms. */
export interface Bar {
  openMs: number;
  open: number;
  high: number;
  low: number;
  close: number;
}

export interface ChartWords {
  price: (price: number) => string;
  /** Of the crosshair, from epoch ms. */
  time: (ms: number) => string;
  /** Of the axis, from epoch ms; with the date at midnight. */
  tick: (ms: number) => string;
}

/** Bars by their opening with nothing left out: where there is no candle there is a blank. */
export function withBlanks(bars: readonly Bar[], stepMs: number): (Bar | { openMs: number })[] {
  const made: (Bar | { openMs: number })[] = [];
  let next: number | null = null;
  for (const bar of bars) {
    for (; next !== null && next < bar.openMs; next += stepMs) made.push({ openMs: next });
    made.push(bar);
    next = bar.openMs + stepMs;
  }
  return made;
}

const seconds = (ms: number): UTCTimestamp => (ms / 1000) as UTCTimestamp;
const drawn = (bar: Bar | { openMs: number }): CandlestickData | WhitespaceData =>
  "open" in bar
    ? { time: seconds(bar.openMs), open: bar.open, high: bar.high, low: bar.low, close: bar.close }
    : { time: seconds(bar.openMs) };

/** A chart in an element, until `remove`. */
export class CandleChart {
  readonly chart: IChartApi;
  readonly series: ISeriesApi<"Candlestick">;
  readonly heat = new HeatLayer();
  private mark: IPriceLine | null = null;
  private pin: IPriceLine | null = null;
  /** The prices shown while nobody has dragged the axis. */
  range: readonly [number, number] | null = null;
  private firstMs = 0;
  private stepMs = 300_000;
  private bars: (Bar | { openMs: number })[] = [];

  constructor(
    readonly host: HTMLElement,
    words: ChartWords,
  ) {
    this.chart = createChart(host, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11, fontFamily: getComputedStyle(host).fontFamily },
      grid: { vertLines: { visible: false }, horzLines: { visible: false } },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { scaleMargins: { top: 0.01, bottom: 0.01 }, borderVisible: false },
      timeScale: {
        timeVisible: true,
        secondsVisible: false,
        rightOffset: 4,
        borderVisible: false,
        tickMarkFormatter: (time: unknown) => words.tick(Number(time) * 1000),
      },
      localization: { timeFormatter: (time: unknown) => words.time(Number(time) * 1000), priceFormatter: words.price },
      handleScroll: { vertTouchDrag: false },
    });
    this.series = this.chart.addSeries(CandlestickSeries, {
      borderVisible: true,
      priceLineVisible: false,
      lastValueVisible: false,
      autoscaleInfoProvider: () => this.range && { priceRange: { minValue: this.range[0], maxValue: this.range[1] } },
    });
    this.series.attachPrimitive(this.heat);
    this.heat.logicalOf = (ms) => (ms - this.firstMs) / this.stepMs - 0.5;
  }

  /** Colours of the theme. */
  dress(palette: Colours): void {
    const line = { color: palette.strongLine, labelBackgroundColor: palette.raised };
    this.chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: palette.card }, textColor: palette.dim },
      crosshair: { vertLine: line, horzLine: line },
    });
    this.series.applyOptions({
      upColor: palette.candleUp,
      borderUpColor: palette.candleUp,
      wickUpColor: palette.candleUp,
      downColor: palette.card,
      borderDownColor: palette.candleDown,
      wickDownColor: palette.candleDown,
    });
    this.heat.edge = palette.isDark ? null : palette.card;
    this.mark?.applyOptions({ color: palette.text, axisLabelColor: palette.text, axisLabelTextColor: palette.card });
  }

  /** All candles, oldest first, and the prices shown when nobody has dragged the axis. */
  setBars(bars: readonly Bar[], stepMs: number, range: readonly [number, number]): void {
    this.firstMs = bars[0]?.openMs ?? 0;
    this.stepMs = stepMs;
    this.range = range;
    this.bars = withBlanks(bars, stepMs);
    this.heat.bars = this.bars;
    this.series.setData(this.bars.map(drawn));
  }

  /** The newest candle as it forms. */
  update(bar: Bar): void {
    if (this.bars.at(-1)?.openMs === bar.openMs) this.bars.pop();
    this.bars.push(bar);
    this.series.update(drawn(bar));
  }

  /** The dashed line of the price now. */
  setMark(price: number, palette: Colours): void {
    if (this.mark) {
      this.mark.applyOptions({ price });
      return;
    }
    this.mark = this.series.createPriceLine({
      price,
      color: palette.text,
      lineWidth: 1,
      lineStyle: LineStyle.Dashed,
      axisLabelVisible: true,
      axisLabelColor: palette.text,
      axisLabelTextColor: palette.card,
      title: "",
    });
  }

  /** The dotted line of the what-if; null takes it away. */
  setPin(price: number | null, palette: Colours): void {
    if (this.pin) this.series.removePriceLine(this.pin);
    this.pin = null;
    if (price === null) return;
    this.pin = this.series.createPriceLine({
      price,
      color: palette.model,
      lineWidth: 1,
      lineStyle: LineStyle.Dotted,
      axisLabelVisible: true,
      axisLabelColor: palette.modelBack,
      axisLabelTextColor: palette.model,
      title: "",
    });
  }

  setLogarithmic(isOn: boolean): void {
    this.heat.isLogarithmic = isOn;
    this.chart.priceScale("right").applyOptions({ mode: isOn ? PriceScaleMode.Logarithmic : PriceScaleMode.Normal });
  }

  /** All candles, and the axis as it was at first; where it cannot be seen yet, as soon as it can. */
  fit(): void {
    if (!this.host.clientWidth) {
      const seen = new ResizeObserver(() => {
        if (!this.host.clientWidth) return;
        seen.disconnect();
        requestAnimationFrame(() => this.fit());
      });
      seen.observe(this.host);
      return;
    }
    this.chart.priceScale("right").applyOptions({ autoScale: true });
    this.chart.timeScale().fitContent();
  }

  /** Zoom by a factor (> 1 = nearer), keeping the newest in place. */
  zoom(factor: number): void {
    const scale = this.chart.timeScale();
    const seen = scale.getVisibleLogicalRange();
    if (seen) scale.setVisibleLogicalRange({ from: seen.to - (seen.to - seen.from) / factor, to: seen.to });
  }

  /** Pan by a share of what is seen. */
  pan(share: number): void {
    const scale = this.chart.timeScale();
    const seen = scale.getVisibleLogicalRange();
    if (!seen) return;
    const by = (seen.to - seen.from) * share;
    scale.setVisibleLogicalRange({ from: seen.from + by, to: seen.to + by });
  }

  yOf(price: number): number | null {
    return this.series.priceToCoordinate(price);
  }
  priceAt(y: number): number | null {
    return this.series.coordinateToPrice(y);
  }

  remove(): void {
    this.chart.remove();
  }
}
