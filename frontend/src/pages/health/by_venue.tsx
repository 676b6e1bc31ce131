import type { ComponentChildren } from "preact";
import { venue } from "../../ui/format";
import { words } from "../../words/vocabulary";

export interface ByVenueProps {
  /** What the table is of, for who cannot see it. */
  readonly title: string;
  /** What its rows are. */
  readonly rows: string;
  readonly venues: readonly string[];
  readonly class: string;
  /** The rows: a heading and one cell for each venue. */
  readonly children: ComponentChildren;
}

/** A table with a column for each venue. */
export function ByVenue({ title, rows, venues, class: style, children }: ByVenueProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="table-frame" tabIndex={0} aria-label={words("as_table", { title })}>
      <table class={style}>
        <thead>
          <tr>
            <th scope="col">{rows}</th>
            {venues.map((name) => (
              <th key={name} scope="col">
                {venue(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}
