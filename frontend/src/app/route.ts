/** Where one is: `/<page>?coin=BTC&…`. Everything a page can be set to stands in the address. */
import { batch, effect, type Signal, signal } from "@preact/signals";

/** In the order of the navigation and of the keys 1 to 9. */
export const PAGES = [
  "overview",
  "map",
  "liquidations",
  "sentiment",
  "signals",
  "backtest",
  "trade",
  "health",
  "alerts",
] as const;
export type PageName = (typeof PAGES)[number];
export type Parameters = Readonly<Record<string, string | null>>;

const FIRST_COIN = "BTC";

/** The page a path names; the overview for what is not known. */
export function pageOf(path: string): PageName {
  const name = path.replace(/^\/+|\/+$/g, "");
  return PAGES.find((known) => known === name) ?? "overview";
}

const pathOf = (name: PageName): string => (name === "overview" ? "/" : `/${name}`);
const here = (): URLSearchParams => new URLSearchParams(location.search);

export const page: Signal<PageName> = signal(pageOf(location.pathname));
const followed = new Map<string, { name: string; fallback: string; value: Signal<string> }>();
const remembered = new Map<PageName, string>();

/** A member of the query string as a signal, both ways; a value equal to `fallback` is left out of the address. */
export function parameter(name: string, fallback: string): Signal<string> {
  const key = `${name}\n${fallback}`;
  const known = followed.get(key);
  if (known) return known.value;
  const value = signal(here().get(name) ?? fallback);
  followed.set(key, { name, fallback, value });
  effect(() => {
    const wanted = value.value;
    const query = here();
    if (wanted === (query.get(name) ?? fallback)) return;
    if (wanted === fallback) query.delete(name);
    else query.set(name, wanted);
    history.replaceState(null, "", address(location.pathname, query));
  });
  return value;
}

/** The coin (`BTC`) or instrument (`BTC-USDT-PERP.BINANCE`) looked at. */
export const coin: Signal<string> = parameter("coin", FIRST_COIN);

function address(path: string, query: URLSearchParams): string {
  const text = query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return text ? `${path}?${text}` : path;
}

/** The address of a page. Without parameters it is as it was left, with the coin looked at now. */
export function href(name: PageName, parameters?: Parameters): string {
  const query = new URLSearchParams(parameters || name === page.peek() ? "" : remembered.get(name));
  for (const [key, value] of Object.entries(parameters ?? {})) {
    if (value !== null) query.set(key, value);
  }
  if (!parameters || !("coin" in parameters)) query.set("coin", coin.value);
  if (query.get("coin") === FIRST_COIN) query.delete("coin");
  return address(pathOf(name), query);
}

/** Go to a page; the way back is the browser's. */
export function go(name: PageName, parameters?: Parameters): void {
  remembered.set(page.peek(), location.search);
  history.pushState(null, "", href(name, parameters));
  follow();
  window.scrollTo(0, 0);
}

/** Look at another coin, on the page as it is set now. */
export function choose(symbol: string): void {
  const query = here();
  if (symbol === FIRST_COIN) query.delete("coin");
  else query.set("coin", symbol);
  history.pushState(null, "", address(location.pathname, query));
  follow();
}

function follow(): void {
  const query = here();
  batch(() => {
    page.value = pageOf(location.pathname);
    for (const { name, fallback, value } of followed.values()) value.value = query.get(name) ?? fallback;
  });
}

addEventListener("popstate", follow);
