/** Small pictures on buttons, drawn as lines of the text's colour. */

const PATHS = {
  search: "M7 12.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11Zm4-1.5 3.5 3.5",
  settings: "M1.5 4.5h7m4 0h2M1.5 11.5h2m4 0h7M10.5 2.5v4m-5 3v4",
  help: "M5.5 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8m0 2.6v.4",
  more: "M3 8h.01M8 8h.01M13 8h.01",
  close: "m3.5 3.5 9 9m0-9-9 9",
} as const;

/** Says nothing by itself: its button has a name. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="line" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
