/** The pages, with the keys that open them. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { words } from "../words/vocabulary";
import { go, href, PAGES, type PageName, page } from "./route";
import { says } from "./words";

/** A press that asks for another tab or window is the browser's. */
const isPlain = (event: MouseEvent): boolean =>
  event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;

interface PageLinkProps {
  to: PageName;
  children: ComponentChildren;
  isCurrent?: boolean;
  class?: string;
  label?: string;
}

/** A link to a page that goes there without loading anew. */
export function PageLink({ to, children, isCurrent = false, class: name, label }: PageLinkProps) {
  return (
    <a
      class={name}
      href={href(to)}
      aria-label={label}
      aria-current={isCurrent ? "page" : undefined}
      onClick={(event) => {
        if (!isPlain(event)) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}

/** See above; the page that is shown is scrolled into sight where there is no room for all. */
export function Navigation() {
  const at = useRef<HTMLElement>(null);
  const shown = page.value;
  useEffect(() => {
    const bar = at.current;
    const link = bar?.querySelector<HTMLElement>("[aria-current]");
    if (bar && link) bar.scrollLeft = link.offsetLeft - (bar.clientWidth - link.offsetWidth) / 2;
  }, [shown]);
  return (
    <nav class="pages" aria-label={says("pages")} ref={at}>
      {PAGES.map((one, i) => (
        <PageLink key={one} to={one} isCurrent={one === shown}>
          {words(one)}
          <span class="digit" aria-hidden="true">
            {i + 1}
          </span>
        </PageLink>
      ))}
    </nav>
  );
}
