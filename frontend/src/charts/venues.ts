import type { Colours } from "../theme/colours";

interface Look {
  readonly dark: string;
  readonly light: string;
  readonly dash?: readonly number[];
}

/** Apart in lightness as well as in hue, so that they differ in any kind of sight; dashes tell the last ones. */
const LOOKS: Readonly<Record<string, Look>> = {
  binance: { dark: "#f2c14e", light: "#8a6100" },
  bybit: { dark: "#5bb8ff", light: "#0b62a8" },
  okx: { dark: "#e8edf3", light: "#2b3640" },
  bitget: { dark: "#4fd6a5", light: "#00795a", dash: [6, 3] },
  hyperliquid: { dark: "#c9a8ff", light: "#6b3fb5", dash: [2, 3] },
};
const OTHER: Look = { dark: "#ff9e80", light: "#a3431f", dash: [8, 3, 2, 3] };

function look(venue: string): Look {
  return LOOKS[venue.split(" ")[0]?.toLowerCase() ?? ""] ?? OTHER;
}

/** The colour a venue has on every chart. */
export function venueColour(venue: string, palette: Colours): string {
  return palette.isDark ? look(venue).dark : look(venue).light;
}

/** The dashes a venue has on every chart; none = solid. */
export function venueDash(venue: string): { dash: readonly number[] } | Record<never, never> {
  const { dash } = look(venue);
  return dash === undefined ? {} : { dash };
}
