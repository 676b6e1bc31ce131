/** Figures of alerts as people read them. */
import { age, percent, price, usd } from "../../ui/format";

/** A measure by its name: dollars, per cent, prices, seconds, or a plain number. */
export function measureText(name: string, value: number): string {
  if (name.includes("usd")) return usd(value);
  if (name.includes("pct")) return percent(value, Math.abs(value) < 0.1 ? 4 : 2);
  if (name === "price") return price(value);
  if (name.endsWith("_s")) return age(value * 1_000);
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
