/** The header: which symbol, its price, which data, and whether all of it is current. */
import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import { useAnswer } from "../live/answers";
import { ageMs, marketNow, marketRate, second } from "../live/clock";
import { useMarket } from "../live/market";
import { priceAt, quoteOf } from "../live/quote";
import { standing } from "../live/standing";
import { ageLevel } from "../ui/age";
import { age, percent, price, venue } from "../ui/format";
import { Icon } from "../ui/icon";
import { DataTag } from "../ui/tag";
import { words } from "../words/vocabulary";
import { PageLink } from "./navigation";
import { helpOpen, openPalette, settingsOpen } from "./open";
import { coin } from "./route";
import { type Health, health } from "./status";
import { says } from "./words";

const DAY_MS = 86_400_000;
const CANDLES_MS = 60_000;
/** How often a price comes, real ms. */
const PRICES_MS = 2_000;

interface Change {
  /** Percent; null = not known. */
  pct: number | null;
  since: "24h" | "page";
}

/** How much the price moved in 24 h; since the page was opened where that is not known. */
function useChange(symbol: string, now: ReadonlySignal<number | null>): ReadonlySignal<Change> {
  const candles = useAnswer(
    "/api/v1/candles",
    { symbol, interval: "15m", from: "25h", limit: 101 },
    { everyMs: CANDLES_MS },
  );
  const opened = useSignal<number | null>(null);
  return useComputed(() => {
    const mark = now.value;
    if (mark === null) return { pct: null, since: "page" };
    if (opened.peek() === null) opened.value = mark;
    const body = candles.value.body;
    const before = body ? priceAt(body.candles, marketNow() - DAY_MS) : null;
    const first = before ?? opened.peek();
    return { pct: first ? 100 * (mark / first - 1) : null, since: before === null ? "page" : "24h" };
  });
}

function direction(pct: number | null): "up" | "down" | "even" {
  const rounded = Math.round(100 * (pct ?? 0));
  return rounded > 0 ? "up" : rounded < 0 ? "down" : "even";
}

const GLYPHS = { up: "▲", down: "▼", even: "◆" } as const;
const CLASSES = { up: "long", down: "short", even: "dim" } as const;

function Price({ symbol }: { symbol: string }) {
  const market = useMarket(symbol);
  const quote = useComputed(() => quoteOf(market.value));
  const now = useComputed(() => quote.value.price);
  const text = useComputed(() => price(now.value));
  const change = useChange(symbol, now);
  const changed = useComputed(() => {
    const { pct } = change.value;
    return pct === null ? "" : `${GLYPHS[direction(pct)]} ${percent(pct)}`;
  });
  const direct = useComputed(() => direction(change.value.pct));
  const title = useComputed(() => {
    const n = quote.value.contracts;
    return symbol.includes(".") ? says("price_one_title", { id: symbol }) : says("price_title", { n });
  });
  const isOld = useComputed(() => health.value.name === "lost" || health.value.name === "gone");
  const since = useComputed(() => says(change.value.since === "24h" ? "change_24h" : "change_page"));
  return (
    <span class={`quote${isOld.value ? " is-old" : ""}`} data-quote={symbol}>
      <span class="price" title={title}>
        {text}
      </span>
      <span class={`mono ${CLASSES[direct.value]}`} title={since}>
        <span>{changed}</span>
        <span class="unseen">
          {says(direct.value)} {since}
        </span>
      </span>
    </span>
  );
}

function PriceAge({ symbol }: { symbol: string }) {
  const market = useMarket(symbol);
  const ms = useComputed(() => {
    second.value;
    return ageMs(quoteOf(market.peek()).timeMs);
  });
  const text = useComputed(() => (ms.value === null ? "—" : words("age", { age: age(ms.value) })));
  const level = useComputed(() => ageLevel(ms.value, PRICES_MS * marketRate()));
  return (
    <span class={`badge ${level.value}`} title={says("age_title")} data-age>
      <span class={level.value || "dim"}>{text}</span>
    </span>
  );
}

const LOOKS: Record<Health["name"], [glyph: string, level: string]> = {
  live: ["●", "ok"],
  stale: ["◐", "warn"],
  gone: ["✕", "bad"],
  none: ["◌", "warn"],
  lost: ["✕", "bad"],
  connecting: ["◌", ""],
};

/** LIVE, or what is wrong, in words. */
function ConnectionBadge() {
  const { name, who } = health.value;
  const [glyph, level] = LOOKS[name];
  const phase = name === "lost" ? "lost" : name === "connecting" ? "connecting" : "open";
  const names = who.map((one) => (one === "heart" ? says("heart") : venue(one)));
  const what = names.length > 2 ? `${names.slice(0, 2).join(", ")} +${names.length - 2}` : names.join(", ");
  const title = says(`${name}_title`, { what: names.join(", "), host: location.host });
  return (
    <span class={`badge ${level}`} role="status" title={title} data-phase={phase} data-health={name}>
      <span class={level}>
        <span aria-hidden="true">{glyph}</span> {says(name, { what })}
      </span>
    </span>
  );
}

function Brand() {
  return (
    <PageLink to="overview" class="brand" label="perpscope">
      <svg viewBox="0 0 20 20" aria-hidden="true">
        <rect class="brand-short" x="2" y="2" width="11" height="4" rx="1" />
        <rect class="brand-price" x="2" y="9" width="16" height="2" rx="1" />
        <rect class="brand-long" x="2" y="14" width="15" height="4" rx="1" />
      </svg>
      <span>perpscope</span>
    </PageLink>
  );
}

function CoinButton({ symbol }: { symbol: string }) {
  const [base, ...rest] = symbol.split("-");
  return (
    <button
      type="button"
      class="coin-button"
      aria-haspopup="dialog"
      title={says("pick")}
      onClick={() => openPalette("coins")}
    >
      {base} <span class="dim">{rest.length ? rest.join("-") : "perp"}</span>
      <span aria-hidden="true">▾</span>
    </button>
  );
}

interface ButtonProps {
  icon: "search" | "settings" | "help";
  label: string;
  keyName?: string;
  run: () => void;
}

function IconButton({ icon, label, keyName, run }: ButtonProps) {
  const title = keyName ? `${label} ( ${keyName} )` : label;
  return (
    <button type="button" class={`icon ${icon}`} title={title} aria-label={label} onClick={run}>
      <Icon name={icon} />
    </button>
  );
}

function Buttons() {
  return (
    <span class="buttons">
      <IconButton icon="search" label={says("open_palette")} keyName="/" run={() => openPalette("all")} />
      <IconButton
        icon="settings"
        label={says("settings")}
        run={() => {
          settingsOpen.value = true;
        }}
      />
      <IconButton
        icon="help"
        label={says("help")}
        keyName="?"
        run={() => {
          helpOpen.value = true;
        }}
      />
    </span>
  );
}

/** See above. */
export function Header() {
  const symbol = coin.value;
  return (
    <header class="top">
      <Brand />
      <CoinButton symbol={symbol} />
      <Price key={symbol} symbol={symbol} />
      <span class="space" />
      <span class="badges">
        <DataTag data={standing.value.data} withObserved />
        <ConnectionBadge />
        <PriceAge key={`age ${symbol}`} symbol={symbol} />
      </span>
      <Buttons />
    </header>
  );
}
