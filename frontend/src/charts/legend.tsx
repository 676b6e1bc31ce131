import type { ReadonlySignal } from "@preact/signals";

export interface Entry {
  readonly name: string;
  /** CSS colour of its swatch. */
  readonly colour: string;
  readonly look?: "line" | "dash" | "box" | "hollow" | "hatch";
  /** Its value under the crosshair, or its last: already formatted. */
  readonly text?: string;
}

/** Names, swatches and values: what the crosshair stands on, read aloud politely while a chart has the focus. */
export function Legend({ entries, when }: { entries: ReadonlySignal<readonly Entry[]>; when: ReadonlySignal<string> }) {
  return (
    <div class="chart-legend">
      {entries.value.map((entry) => (
        <span class="chart-key" key={entry.name}>
          <Swatch entry={entry} />
          <span class="chart-name">{entry.name}</span>
          {entry.text === undefined ? null : <b class="num">{entry.text}</b>}
        </span>
      ))}
      <span class="chart-when num">{when.value}</span>
    </div>
  );
}

function Swatch({ entry }: { entry: Entry }) {
  const look = entry.look ?? "line";
  return (
    <svg class="chart-swatch" width="14" height="10" viewBox="0 0 14 10" aria-hidden="true">
      {look === "line" || look === "dash" ? (
        <path
          d="M0 5H14"
          stroke={entry.colour}
          stroke-width="2"
          stroke-dasharray={look === "dash" ? "4 3" : undefined}
        />
      ) : look === "hatch" ? (
        <path d="M0 10L6 0M4 10L10 0M8 10L14 0" stroke={entry.colour} stroke-width="1" />
      ) : (
        <rect
          x="1.5"
          y="1.5"
          width="11"
          height="7"
          fill={look === "box" ? entry.colour : "none"}
          stroke={entry.colour}
          stroke-width="1.2"
        />
      )}
    </svg>
  );
}
