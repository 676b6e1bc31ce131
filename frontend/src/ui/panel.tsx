/** A panel: its title, where its figures come from, how old they are, and which of its six states it is in. */
import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { coin } from "../app/route";
import type { Answer } from "../live/answers";
import type { Data, Meta } from "../live/shapes";
import { standing, type VenueStanding, venuesOf } from "../live/standing";
import { type Channel, connection } from "../live/stream";
import { words } from "../words/vocabulary";
import { AgeBadge } from "./age";
import { Boundary } from "./boundary";
import type { Origin, Sheet } from "./export";
import { iso } from "./format";
import { later } from "./later";
import { PanelMenu } from "./panel_menu";
import { type Known, type PanelState, panelState } from "./panel_state";
import { Banner, Instead } from "./panel_words";
import { DataTag, dataWord, KindTag } from "./tag";

/** What a panel's figures come by: an answer, or a channel of the stream. */
export type Source = ReadonlySignal<Answer<unknown>> | ReadonlySignal<Channel<unknown>>;

/** What is taken away, perhaps by code that is loaded for it. */
type Taken<T> = T | null | Promise<T | null>;

export interface PanelProps {
  /** Of the element, of links to it and of `data-panel`. */
  id: string;
  title: string;
  kind: "model" | "observed" | null;
  answer?: Source | undefined;
  /** Where the page knows it better than `panelState`. */
  state?: PanelState | undefined;
  /** The figures are there and there are none; the words say what of. */
  empty?: boolean | undefined;
  /** Feeds its figures come by (`liquidations`, `open_interest` …); all where they are not named. */
  feeds?: readonly string[] | undefined;
  /** What is being loaded; the title where it is not said. */
  what?: string | undefined;
  /** How often newer figures should come, ms of market time; a minute where it is not said. */
  expectedMs?: number | undefined;
  /** Where its market comes from, where that is not the rest of the page's. */
  data?: Data | null | undefined;
  /** Market time of the figures (epoch ms), where they have no `meta`. */
  asOfMs?: number | null | undefined;
  controls?: ComponentChildren | undefined;
  csv?: (() => Taken<Sheet>) | undefined;
  png?: (() => Taken<HTMLCanvasElement>) | undefined;
  table?: (() => Sheet) | undefined;
  footer?: ComponentChildren | undefined;
  class?: string | undefined;
  children: ComponentChildren;
}

const MINUTE_MS = 60_000;

function knownOf(source: Source | undefined): Known | null {
  if (!source) return null;
  const told = source.value;
  const body = "body" in told ? told.body : told.data;
  const meta = (body as { meta?: Meta } | null)?.meta ?? null;
  return { hasBody: body !== null, meta, problem: told.problem };
}

/** Venues by these of their feeds. */
const fedBy = (feeds: readonly string[]): VenueStanding[] =>
  venuesOf(standing.value.feeds.filter((feed) => feeds.includes(feed.channel)));

interface Found {
  state: PanelState;
  meta: Meta | null;
}

/** What a panel is in, as a signal that changes only when that does: not with each answer. */
function useFound(props: PanelProps): ReadonlySignal<Found> {
  const given = useSignal(props);
  const before = useRef<{ text: string; found: Found } | null>(null);
  given.value = props;
  return useComputed(() => {
    const { answer, state, feeds, empty = false } = given.value;
    const known = knownOf(answer);
    const heart = feeds ? { ...standing.value, venues: fedBy(feeds) } : standing.value;
    const evidence = { answer: known, connection: connection.value, heart, empty };
    const found = { state: state ?? panelState(evidence), meta: known?.meta ?? null };
    const text = JSON.stringify([found.state, found.meta?.as_of_ms, found.meta?.data]);
    if (text !== before.current?.text) before.current = { text, found };
    return before.current?.found ?? found;
  });
}

const AsTable = later(async () => (await import("./sheet_table")).SheetTable);

/** See `PanelProps`. Its children stay while it is stale or disconnected: only grey. */
export function Panel(props: PanelProps) {
  const { id, title, kind, children, controls, footer } = props;
  const told = useFound(props);
  const isTable = useSignal(false);
  useEffect(() => {
    if (location.hash === `#${id}`) document.getElementById(id)?.scrollIntoView();
  }, []);
  const { state, meta } = told.value;
  const data = props.data === undefined ? (meta?.data ?? standing.value.data) : props.data;
  const asOfMs = props.asOfMs === undefined ? (meta?.as_of_ms ?? null) : props.asOfMs;
  const origin = (): Origin => ({
    title,
    symbol: coin.peek(),
    tags: [kind === null ? null : words(kind), dataWord(data)].filter((tag) => tag !== null),
    asOf: iso(asOfMs),
  });
  const hidesBody = state.name === "error" || state.name === "loading" || state.name === "empty";
  return (
    <section
      id={id}
      class={`panel ${props.class ?? ""}`}
      data-panel={id}
      data-state={state.name}
      aria-labelledby={`${id}-title`}
      aria-busy={state.name === "loading"}
    >
      <header>
        <div class="name">
          <h2 id={`${id}-title`}>{title}</h2>
          {kind ? <KindTag kind={kind} /> : null}
          <DataTag data={data} />
          {asOfMs === null ? null : <AgeBadge asOfMs={asOfMs} expectedMs={props.expectedMs ?? MINUTE_MS} />}
        </div>
        {controls ? <div class="controls">{controls}</div> : null}
        <PanelMenu {...props} isTable={isTable} origin={origin} />
      </header>
      <Banner state={state} asOfMs={asOfMs} answer={props.answer} />
      <div class="body">
        {hidesBody ? <Instead state={state} what={props.what ?? title} answer={props.answer} /> : null}
        {!hidesBody && isTable.value && props.table ? <AsTable title={title} sheet={props.table} /> : null}
        <div class="figures" hidden={hidesBody || (isTable.value && props.table !== undefined)}>
          <Boundary>{children}</Boundary>
        </div>
      </div>
      {footer ? <footer>{footer}</footer> : null}
    </section>
  );
}
