/** The page's one stream: its channels as signals, for as long as somebody looks. */
import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { refreshAll } from "./answers";
import { locked, ticket } from "./api";
import { type Channel, type Listening, type Rows, STATE_KEPT } from "./listening";
import { useNewest } from "./newest";
import { type Connection, type Socket, Stream, type Surroundings } from "./socket_stream";

export type { Channel, Rows } from "./listening";
export type { Connection } from "./socket_stream";

const HIDDEN_MS = 250;
const around: Surroundings = {
  open(channels, pass) {
    const query = new URLSearchParams({ channels: channels.join(",") });
    if (pass) query.set("ticket", pass);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    return new WebSocket(`${scheme}://${location.host}/api/v1/stream?${query}`) as unknown as Socket;
  },
  ticket,
  frame: (run) => {
    if (document.hidden) setTimeout(run, HIDDEN_MS);
    else requestAnimationFrame(run);
  },
  random: Math.random,
};

const stream = new Stream(around);

export const connection: ReadonlySignal<Connection> = stream.connection;
/** Holes found in the counts of channels since the page was opened. */
export const holes: ReadonlySignal<number> = stream.holes;
/** Try to connect now. */
export const retryNow = (): void => stream.retryNow();

const silent: ReadonlySignal<Channel<never>> = signal({
  data: null,
  seq: 0,
  tsMs: null,
  problem: null,
  receivedAt: null,
});
const noRows: ReadonlySignal<Rows<never>> = signal({
  rows: [],
  arrived: 0,
  dropped: 0,
  seq: 0,
  problem: null,
  receivedAt: null,
});

/** The name a message tells a channel by: its symbol is in capitals. */
export function told(name: string): string {
  const [family, ...symbol] = name.split(":");
  return symbol.length ? `${family}:${symbol.join(":").toUpperCase()}` : name;
}

function useListening(name: string | null, keep: number): Listening | null {
  const known = name === null ? null : told(name);
  const one = useMemo(() => (known === null ? null : stream.listening(known)), [known]);
  useEffect(() => {
    if (known === null) return undefined;
    const user = {};
    stream.join(known, user, keep);
    return () => stream.leave(known, user);
  }, [known, keep]);
  return one;
}

/** The newest state of a channel (`market:BTC`, `map:BTC` …) while the component is mounted; null listens to nothing. */
export function useChannel<T>(name: string | null): ReadonlySignal<Channel<T>> {
  return useNewest((useListening(name, STATE_KEPT)?.state ?? silent) as ReadonlySignal<Channel<T>>);
}

/** The newest rows of a channel of events (`liquidations:BTC@50000`, `gaps`), at most `keep` of them. */
export function useRows<T>(name: string | null, keep: number): ReadonlySignal<Rows<T>> {
  return useNewest((useListening(name, keep)?.rows ?? noRows) as ReadonlySignal<Rows<T>>);
}

/** The newest state of a channel for as long as the page is open. */
export function follow<T>(name: string): ReadonlySignal<Channel<T>> {
  return stream.join(name, {}).state as ReadonlySignal<Channel<T>>;
}

/** The newest state of whichever channel `name` tells, as it changes, for as long as the page is open. */
export function followNewest<T>(name: () => string): ReadonlySignal<Channel<T>> {
  const user = {};
  let before: string | null = null;
  const one = computed(() => stream.listening(told(name())));
  effect(() => {
    const wanted = told(name());
    if (before !== null) stream.leave(before, user);
    before = wanted;
    stream.join(wanted, user);
  });
  return computed(() => one.value.state.value) as ReadonlySignal<Channel<T>>;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  stream.watch();
  retryNow();
});
addEventListener("online", retryNow);
let wasOpen: boolean | null = null;
effect(() => {
  const isOpen = connection.value.phase === "open";
  if (isOpen && wasOpen === false && connection.peek().since > 0) refreshAll();
  if (isOpen || wasOpen !== null) wasOpen = isOpen;
});
effect(() => {
  if (locked.value === null) retryNow();
});
