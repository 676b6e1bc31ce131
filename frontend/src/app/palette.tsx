/** Everything by its name: coins, contracts, pages, actions. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useAnswer } from "../live/answers";
import type { Body } from "../live/api";
import { isDark } from "../theme/colours";
import { Dialog } from "../ui/dialog";
import { price, usd, venue } from "../ui/format";
import { words } from "../words/vocabulary";
import { tells } from "./dialog_words";
import { type Entry, found } from "./found";
import { helpOpen, paletteOf, paletteOpen, settingsOpen } from "./open";
import { choose, go, PAGES } from "./route";
import { language, sound, theme, zone } from "./settings";
import { says } from "./words";

type Symbols = Body<"/api/v1/symbols">;
const SHOWN = 60;

function coins(symbols: Symbols | null): Entry[] {
  return (symbols?.coins ?? []).map(({ coin, contracts }) => {
    const size = contracts.reduce((sum, one) => sum + (one.open_interest_usd ?? 0), 0);
    const mark = contracts.find((one) => one.mark !== null)?.mark;
    const about = `${price(mark)} · ${tells("contracts", { n: contracts.length })} · ${says("oi")} ${usd(size || null)}`;
    return { id: coin, group: tells("palette_coins"), label: coin, about, terms: "", run: () => choose(coin) };
  });
}

function contracts(symbols: Symbols | null): Entry[] {
  const all = (symbols?.coins ?? []).flatMap((one) => one.contracts);
  return all.map(({ id, venue: name, symbol }) => ({
    id,
    group: tells("palette_contracts"),
    label: id,
    about: `${venue(name)} ${symbol}`,
    terms: `${venue(name)} ${symbol}`,
    run: () => choose(id),
  }));
}

function pages(): Entry[] {
  return PAGES.map((name, i) => ({
    id: name,
    group: tells("palette_pages"),
    label: words(name),
    about: String(i + 1),
    terms: name,
    run: () => go(name),
  }));
}

function actions(): Entry[] {
  const made = (id: string, label: string, terms: string, run: () => void): Entry => ({
    id,
    group: tells("palette_actions"),
    label,
    about: "",
    terms,
    run,
  });
  return [
    made("theme", tells("toggle_theme"), "theme dark light", () => {
      theme.value = isDark.peek() ? "light" : "dark";
    }),
    made("language", tells("toggle_language"), "language korean english 언어", () => {
      language.value = language.peek() === "ko" ? "en" : "ko";
    }),
    made("zone", tells("toggle_zone"), "utc local zone", () => {
      zone.value = zone.peek() === "utc" ? "local" : "utc";
    }),
    made("sound", tells("toggle_sound"), "sound", () => {
      sound.value = !sound.peek();
    }),
    made("settings", says("settings"), "settings", () => {
      settingsOpen.value = true;
    }),
    made("help", says("help"), "keys help ?", () => {
      helpOpen.value = true;
    }),
  ];
}

interface OptionProps {
  entry: Entry;
  isAt: boolean;
  hasHead: boolean;
  onChoose: (entry: Entry) => void;
}

function Option({ entry, isAt, hasHead, onChoose }: OptionProps) {
  const at = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isAt) at.current?.scrollIntoView({ block: "nearest" });
  }, [isAt]);
  return (
    <>
      {hasHead ? (
        <div class="head dim" aria-hidden="true">
          {entry.group}
        </div>
      ) : null}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the box above has the keys */}
      {/* biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the box above */}
      <div role="option" id={`palette-${entry.id}`} aria-selected={isAt} ref={at} onClick={() => onChoose(entry)}>
        <span>{entry.label}</span>
        <span class="dim">{entry.about}</span>
      </div>
    </>
  );
}

function Palette() {
  const symbols = useAnswer("/api/v1/symbols", {}, { everyMs: 5_000 });
  const typed = useSignal("");
  const place = useSignal(0);
  const listed = useComputed(() => {
    const body = symbols.value.body;
    const first = [...coins(body), ...contracts(body)];
    return found(
      paletteOf.value === "coins" ? first : [...coins(body), ...pages(), ...actions(), ...contracts(body)],
      typed.value,
      SHOWN,
    );
  });
  const take = (entry: Entry | undefined): void => {
    if (!entry) return;
    paletteOpen.value = false;
    entry.run();
  };
  const press = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    const by = steps[event.key];
    if (event.key === "Enter") take(listed.value[place.value]);
    else if (by) place.value = Math.min(Math.max(0, place.value + by), listed.value.length - 1);
    else return;
    event.preventDefault();
  };
  const entries = listed.value;
  const at = entries[place.value];
  return (
    <>
      <input
        autofocus
        type="search"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={at ? `palette-${at.id}` : undefined}
        aria-label={says("palette")}
        placeholder={tells("palette_hint")}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
          place.value = 0;
        }}
        onKeyDown={press}
      />
      <div class="options" id="palette-list" role="listbox" aria-label={says("palette")}>
        {entries.map((entry, i) => (
          <Option
            key={`${entry.group}${entry.id}`}
            entry={entry}
            isAt={i === place.value}
            hasHead={entry.group !== entries[i - 1]?.group && !typed.value}
            onChoose={take}
          />
        ))}
      </div>
      {entries.length ? null : <p class="dim none">{tells("palette_none")}</p>}
    </>
  );
}

/** See above, as a dialog. */
export function PaletteDialog() {
  const title = says(paletteOf.value === "coins" ? "pick" : "palette");
  return (
    <Dialog id="palette" title={title} isOpen={paletteOpen}>
      <Palette />
    </Dialog>
  );
}
