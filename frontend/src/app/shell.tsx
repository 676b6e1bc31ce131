/** The frame around the pages, and the page that is asked for: each is loaded when it is first opened. */
import { effect, type Signal, signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { locked } from "../live/api";
import { Boundary } from "../ui/boundary";
import { words } from "../words/vocabulary";
import { ready } from "../words/words";
import { Footer } from "./footer";
import { Header } from "./header";
import { always, type Keys } from "./keyboard";
import { Navigation } from "./navigation";
import { Notice } from "./notice";
import { helpOpen, openPalette, paletteOpen, settingsOpen } from "./open";
import { coin, go, PAGES, type PageName, page } from "./route";
import { language } from "./settings";
import { Strip } from "./strip";
import { followTitle } from "./title";
import { says } from "./words";

type Loaded = ComponentType | "failed";
const files = import.meta.glob<{ default: ComponentType }>("../pages/*/page.tsx");
const loaded: Signal<Partial<Record<PageName, Loaded>>> = signal({});

async function load(name: PageName): Promise<void> {
  const known = loaded.peek()[name];
  if (known && known !== "failed") return;
  let made: Loaded = "failed";
  try {
    made = (await files[`../pages/${name}/page.tsx`]?.())?.default ?? "failed";
    await ready();
  } catch (error) {
    console.warn(`${name}: ${String(error)}`); // the words below say so too
  }
  loaded.value = { ...loaded.peek(), [name]: made };
}

const dialogs: Signal<ComponentType | null> = signal(null);
effect(() => {
  const isWanted = settingsOpen.value || helpOpen.value || paletteOpen.value || locked.value !== null;
  if (!isWanted || dialogs.peek()) return;
  void import("./dialogs").then(async (made) => {
    await ready();
    dialogs.value = made.default;
  });
});

/** The keys of everywhere, in the language of the settings. */
function everywhere(): Keys {
  const made: Record<string, Keys[string]> = {};
  PAGES.forEach((name, i) => {
    made[String(i + 1)] = { label: says("go_to", { page: words(name) }), run: () => go(name) };
  });
  const palette = { label: says("palette"), run: () => openPalette("all") };
  const help = {
    label: says("help"),
    run: () => {
      helpOpen.value = true;
    },
  };
  return { ...made, "/": palette, "Ctrl+k": palette, "?": help };
}

effect(() => {
  document.documentElement.lang = language.value;
  always(everywhere());
});
followTitle();

function Missing({ name, what }: { name: PageName; what: Loaded | undefined }) {
  if (what === undefined) return <p class="instead dim">{says("page_loading")}</p>;
  return (
    <div class="instead" role="alert">
      <p>{says("page_failed")}</p>
      <button type="button" onClick={() => void load(name)}>
        {words("retry")}
      </button>
    </div>
  );
}

/** The whole page. A page begins anew with another coin. */
export function Shell() {
  const name = page.value;
  const main = useRef<HTMLElement>(null);
  const wasAt = useRef(name);
  useEffect(() => {
    void load(name);
    if (wasAt.current !== name) main.current?.focus({ preventScroll: true });
    wasAt.current = name;
  }, [name]);
  const Dialogs = dialogs.value;
  const Page = loaded.value[name];
  return (
    <>
      <a class="skip" href="#main">
        {says("skip")}
      </a>
      <Header />
      <Navigation />
      <div>
        <Strip />
        <Notice />
      </div>
      <main id="main" ref={main} tabIndex={-1} data-page={name}>
        <h1 class="unseen">
          {words(name)} · {coin}
        </h1>
        {Page && Page !== "failed" ? (
          <Boundary key={`${name} ${coin.value}`}>
            <Page />
          </Boundary>
        ) : (
          <Missing name={name} what={Page} />
        )}
      </main>
      <Footer />
      {Dialogs ? <Dialogs /> : null}
    </>
  );
}
