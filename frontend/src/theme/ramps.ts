/** Colour ramps of the heatmap: 256 colours from little to much, as red, green, blue bytes. */
import type { Ramp } from "../app/settings";

const STOPS: Record<Ramp, readonly string[]> = {
  // OKLab lightness .05 to .98, growing for normal sight and all three dichromacies (ux §3.3)
  inferno: ["000004", "1f0c48", "550f6d", "88226a", "ba3655", "e35933", "f98c0a", "f9c932", "fcffa4"],
  cividis: ["00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "fee838"],
  grey: ["0b0e13", "23272d", "3c4148", "575d65", "747a82", "9298a0", "b1b6bd", "d1d5da", "f4f6f8"],
};
const COLOURS = 256;

const bytes = (hex: string): [number, number, number] => {
  const value = Number.parseInt(hex, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
};

/** 256 × 3 bytes: the colour of share i/255. In light the ramp runs the other way: much is dark. */
export function rampOf(name: Ramp, isDark: boolean): Uint8Array {
  const stops = (isDark ? STOPS[name] : [...STOPS[name]].reverse()).map(bytes);
  const made = new Uint8Array(COLOURS * 3);
  for (let i = 0; i < COLOURS; i++) {
    const at = (i / (COLOURS - 1)) * (stops.length - 1);
    const low = stops[Math.floor(at)] ?? [0, 0, 0];
    const high = stops[Math.ceil(at)] ?? low;
    for (let part = 0; part < 3; part++) {
      const from = low[part] ?? 0;
      made[i * 3 + part] = Math.round(from + ((high[part] ?? 0) - from) * (at % 1));
    }
  }
  return made;
}
