/** The liquidation map beside the chart, and what would be forced on the way to a price. */
import { type ReadonlySignal, signal, useComputed, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { coin } from "../../app/route";
import { labelsOf, type MapModel, whatIf } from "../../charts/map_model";
import { drawProfile } from "../../charts/profile";
import { figures } from "../../live/figures";
import { colours } from "../../theme/colours";
import { about, percent, placesOf, price } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { KindTag } from "../../ui/tag";
import { paced } from "./forming";
import type { MapSource } from "./source";
import { tableOf, takeAway } from "./taking";
import { at, chart, drawn, explained, hovered, pinned } from "./view";
import { says } from "./words";

const EXPECTED_MS = 180_000;
const APART = 20;
const EDGE = 10;
const NARROW = "\u202f"; // does not break the line
const media = matchMedia("(max-width: 899px)");
/** The map has an axis of its own: it is not beside the chart. */
const isApart = signal(media.matches);
media.addEventListener("change", (event) => {
  isApart.value = event.matches;
});

/** Prices of levels are whole where they are large. */
export const level = (value: number): string => price(value, value >= 1_000 ? 1 : 10 ** -placesOf(value));

interface Axis {
  yOf: (price: number) => number | null;
  priceAt: (y: number) => number | null;
}

function axisOf(canvas: HTMLCanvasElement, model: MapModel): Axis | null {
  if (isApart.peek()) {
    const seen = [...model.longs, ...model.shorts].filter((bin) => bin.usd > 0);
    const near = 0.12 * model.price;
    const low = Math.max(model.price - near, Math.min(...seen.map((bin) => bin.low)));
    const high = Math.min(model.price + near, Math.max(...seen.map((bin) => bin.high)));
    const height = canvas.clientHeight;
    return {
      yOf: (one) => ((high - one) / (high - low)) * height,
      priceAt: (y) => high - (y / height) * (high - low),
    };
  }
  const made = chart.peek();
  if (!made) return null;
  const shift = made.host.getBoundingClientRect().top - canvas.getBoundingClientRect().top;
  return {
    yOf: (one) => {
      const y = made.yOf(one);
      return y === null ? null : y + shift;
    },
    priceAt: (y) => made.priceAt(y - shift),
  };
}

interface ProfileProps {
  map: MapSource;
  mark: ReadonlySignal<number | null>;
}

/** Draw as the chart, the map or the pointer changes: once a frame at most. */
function useDrawing({ map, mark }: ProfileProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const soon = useMemo(() => paced(0), []);
  const draw = (): void => {
    const model = map.model.peek();
    const to = canvas.current;
    const axis = to && model ? axisOf(to, model) : null;
    if (!to || !model || !axis) return;
    const top = Math.max(EDGE, 20);
    const labels = labelsOf(map.body.peek()?.clusters ?? [], axis.yOf, top, to.clientHeight - 2 * EDGE, APART);
    const all = (isLong: boolean) => (isLong ? model.longs : model.shorts).reduce((sum, bin) => sum + bin.usd, 0);
    drawProfile(
      to,
      { model, labels, yOf: axis.yOf, at: at.peek(), price: mark.peek() ?? model.price, hasAxis: isApart.peek() },
      {
        price: level,
        usd: about,
        percent: (value) => percent(value, 1),
        longs: says("longs_below", { usd: about(all(true)) }),
        shorts: says("shorts_above", { usd: about(all(false)) }),
      },
      colours.peek(),
    );
    figures.mapDrawn();
  };
  useSignalEffect(() => {
    drawn.value;
    at.value;
    map.model.value;
    colours.value;
    isApart.value;
    soon(draw);
  });
  useEffect(() => {
    const seen = new ResizeObserver(() => soon(draw));
    if (canvas.current) seen.observe(canvas.current);
    return () => seen.disconnect();
  }, []);
  return canvas;
}

/** The sentence of the what-if. */
export function WhatIfLine({ model }: { model: ReadonlySignal<MapModel | null> }) {
  const found = useComputed(() => {
    const wanted = at.value;
    return model.value && wanted !== null ? whatIf(model.value, wanted) : null;
  });
  const told = found.value;
  if (!told) return <p class="what-if dim">{says("point")}</p>;
  const values = {
    price: level(told.price),
    percent: percent(told.distancePct).replace(/\s/, NARROW),
    usd: about(told.usd),
  };
  return (
    <p class="what-if" data-price={told.price} data-usd={told.usd}>
      <span class={told.isLong ? "long" : "short"}>{told.isLong ? "▼ " : "▲ "}</span>
      <span aria-live={hovered.value === null ? "polite" : "off"}>{says(told.isLong ? "falls" : "rises", values)}</span>{" "}
      <KindTag kind="model" />
      <span class="dim"> {told.isCovered ? says("gross", { usd: about(told.gross) }) : says("beyond")}</span>
      {pinned.value === "" ? null : (
        <button
          type="button"
          class="small"
          onClick={() => {
            explained.value = pinned.peek();
          }}
        >
          {says("why")}
        </button>
      )}
      {pinned.value === "" ? null : (
        <button
          type="button"
          class="small"
          onClick={() => {
            pinned.value = "";
          }}
        >
          {says("pin_clear")}
        </button>
      )}
    </p>
  );
}

/** The panel. */
export function ProfilePanel(props: ProfileProps) {
  const { map } = props;
  const canvas = useDrawing(props);
  const priceUnder = (event: { clientY: number }): number | null => {
    const [to, model] = [canvas.current, map.model.peek()];
    return to && model ? (axisOf(to, model)?.priceAt(event.clientY - to.getBoundingClientRect().top) ?? null) : null;
  };
  const sums = useComputed(() => {
    const of = (isLong: boolean) =>
      about((isLong ? map.model.value?.longs : map.model.value?.shorts)?.reduce((sum, bin) => sum + bin.usd, 0));
    return { longs: of(true), shorts: of(false) };
  });
  return (
    <Panel
      id="map"
      class="profile-panel"
      title={says("map")}
      kind="model"
      answer={map.source}
      expectedMs={EXPECTED_MS}
      empty={map.body.value !== null && map.model.value === null}
      csv={async () => (await takeAway()).mapSheet(map.body.peek())}
      table={() => tableOf((made) => made.mapSheet(map.body.peek()))}
      png={async () => (await takeAway()).pictureOf(canvas.current)}
      footer={<WhatIfLine model={map.model} />}
    >
      <canvas
        ref={canvas}
        class="profile"
        role="img"
        aria-label={says("map_label", { coin: coin.value, ...sums.value })}
        onPointerMove={(event) => {
          hovered.value = priceUnder(event);
        }}
        onPointerLeave={() => {
          hovered.value = null;
        }}
        onClick={(event) => {
          const found = priceUnder(event);
          if (found === null) return;
          const text = String(Number(found.toPrecision(6)));
          pinned.value = text;
          explained.value = text;
        }}
      />
    </Panel>
  );
}
