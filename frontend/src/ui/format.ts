/** Numbers, times and words as people read them (ux §3.5). Unknown is "—", never 0. */
import { language, zone } from "../app/settings";

type Number_ = number | null | undefined;
export const UNKNOWN = "—";
const MINUS = "−";
const THIN = " ";

const known = (value: Number_): value is number => value != null && Number.isFinite(value);

function grouped(value: number, places: number): string {
  const text = Math.abs(value).toLocaleString("en-US", {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  });
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

/** Digits after the point for prices about as large as this, where the tick is not known. */
export function placesOf(price: number): number {
  const size = Math.abs(price);
  if (size >= 1_000) return 1;
  if (size >= 100) return 2;
  if (size >= 1) return 4;
  return Math.min(10, 3 - Math.floor(Math.log10(size || 1)));
}

/** A price in quote units, by its tick size where that is known: `65,126.8`. */
export function price(value: Number_, tick?: number | null): string {
  if (!known(value)) return UNKNOWN;
  const places = tick ? Math.max(0, Math.ceil(-Math.log10(tick) - 1e-9)) : placesOf(value);
  return grouped(value, places);
}

/** Any number with so many places: `1,234.50`. */
export function number(value: Number_, places = 0): string {
  return known(value) ? grouped(value, places) : UNKNOWN;
}

/** With its sign, also where it is positive: `+0.31`. */
export function signed(value: Number_, places = 2): string {
  if (!known(value)) return UNKNOWN;
  const text = grouped(value, places);
  return text.startsWith(MINUS) || !/[1-9]/.test(text) ? text : `+${text}`;
}

function short(value: number): string {
  const size = Math.abs(value);
  for (const [unit, letter] of [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ] as const) {
    if (size >= unit * 0.9995) {
      const share = size / unit;
      return share.toFixed(share >= 99.95 ? 0 : share >= 9.995 ? 1 : 2) + letter;
    }
  }
  return size >= 99.95 || size === 0 ? size.toFixed(0) : size.toFixed(size >= 9.995 ? 1 : 2);
}

/** Dollars with three digits: `$84.1M`. */
export function usd(value: Number_): string {
  if (!known(value)) return UNKNOWN;
  return `${value < 0 ? MINUS : ""}$${short(value)}`;
}

/** Dollars that are an estimate: `~$84.1M`. */
export function about(value: Number_): string {
  return known(value) ? `~${usd(value)}` : UNKNOWN;
}

/** An amount of anything, with three digits: `38.4K`. */
export function amount(value: Number_): string {
  return known(value) ? `${value < 0 ? MINUS : ""}${short(value)}` : UNKNOWN;
}

/** Dollars in the large units of Korean: `$8,410만`, `$12.3억`. */
export function usdKorean(value: Number_): string {
  if (!known(value)) return UNKNOWN;
  const size = Math.abs(value);
  const sign = value < 0 ? MINUS : "";
  if (size >= 1e12) return `${sign}$${grouped(size / 1e12, size >= 1e13 ? 1 : 2)}조`;
  if (size >= 1e8) return `${sign}$${grouped(size / 1e8, size >= 1e10 ? 0 : 1)}억`;
  if (size >= 1e4) return `${sign}$${grouped(size / 1e4, size >= 1e6 ? 0 : 1)}만`;
  return `${sign}$${grouped(size, 0)}`;
}

/** Dollars to the cent, and in 만/억 where Korean is read: for a title. */
export function usdWhole(value: Number_): string {
  if (!known(value)) return UNKNOWN;
  const whole = `${value < 0 ? MINUS : ""}$${grouped(Math.abs(value), 0)}`;
  return language.value === "ko" && Math.abs(value) >= 1e4 ? `${whole} (${usdKorean(value)})` : whole;
}

/** A percentage that is one already: `+1.68 %`. */
export function percent(value: Number_, places = 2, isSigned = true): string {
  if (!known(value)) return UNKNOWN;
  return `${isSigned ? signed(value, places) : grouped(value, places)}${THIN}%`;
}

/** A share (0 to 1) as a percentage: `99.9 %`; 100 % only where nothing is missing. */
export function share(value: Number_, places = 1): string {
  if (!known(value)) return UNKNOWN;
  const most = value < 1 ? 100 - 10 ** -places : 100;
  return `${grouped(Math.min(100 * value, most), places)}${THIN}%`;
}

/** A funding rate, as a fraction: `+0.0100 %`. */
export function funding(rate: Number_): string {
  return known(rate) ? percent(100 * rate, 4) : UNKNOWN;
}

/** A funding rate of an interval as a yearly rate, not compounded: `10.95 % APR`. */
export function apr(rate: Number_, hours: Number_): string {
  if (!known(rate) || !known(hours) || hours <= 0) return UNKNOWN;
  return `${percent((100 * rate * 24 * 365) / hours, 2, false)} APR`;
}

/** A ratio: `1.34`. */
export function ratio(value: Number_): string {
  return number(value, 2);
}

const AGES = {
  en: { s: "s", m: "m", h: "h", d: "d" },
  ko: { s: "초", m: "분", h: "시간", d: "일" },
} as const;

/** A length of time in ms: `0.4 s`, `74 s`, `3 m 10 s`, `2 h 5 m`, `3 d`. */
export function age(ms: Number_): string {
  if (!known(ms)) return UNKNOWN;
  const unit = AGES[language.value];
  const gap = language.value === "ko" ? "" : THIN;
  const s = Math.max(0, ms) / 1000;
  if (s < 9.95) return `${s.toFixed(1)}${gap}${unit.s}`;
  if (s < 119.5) return `${Math.round(s)}${gap}${unit.s}`;
  const whole = Math.round(s);
  if (whole < 7_200) return pair(Math.floor(whole / 60), unit.m, whole % 60, unit.s, gap);
  const minutes = Math.round(s / 60);
  if (minutes < 2_880) return pair(Math.floor(minutes / 60), unit.h, minutes % 60, unit.m, gap);
  return pair(Math.floor(minutes / 1_440), unit.d, Math.round((minutes % 1_440) / 60), unit.h, gap);
}

function pair(much: number, unit: string, rest: number, smaller: string, gap: string): string {
  const first = `${much}${gap}${unit}`;
  return rest ? `${first} ${rest}${gap}${smaller}` : first;
}

type Form = "second" | "minute" | "date" | "datetime";
const FORMS: Record<Form, Intl.DateTimeFormatOptions> = {
  second: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  minute: { hour: "2-digit", minute: "2-digit" },
  date: { year: "numeric", month: "2-digit", day: "2-digit" },
  datetime: {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  },
};
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(form: Form): Intl.DateTimeFormat {
  const name = `${form}${zone.value}`;
  const found = formats.get(name);
  if (found) return found;
  const where: Intl.DateTimeFormatOptions = zone.value === "utc" ? { timeZone: "UTC" } : {};
  const made = new Intl.DateTimeFormat("sv-SE", { ...FORMS[form], ...where, hourCycle: "h23" });
  formats.set(name, made);
  return made;
}

/** A time of day of an epoch in ms, in the zone of the settings: `08:58:27`. */
export function clock(epochMs: Number_, form: Form = "second"): string {
  return known(epochMs) ? formatOf(form).format(epochMs) : UNKNOWN;
}

/** A time of day with the name of its zone: `08:58:27 UTC`. */
export function clockZoned(epochMs: Number_): string {
  return known(epochMs) ? `${clock(epochMs)} ${zoneName()}` : UNKNOWN;
}

/** A date with its time: `2026-11-20 08:58:27`. */
export function datetime(epochMs: Number_): string {
  return clock(epochMs, "datetime");
}

/** The zone of the settings: `UTC`, `GMT+9`. */
export function zoneName(): string {
  if (zone.value === "utc") return "UTC";
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(new Date());
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "local";
}

/** ISO 8601 in UTC, for exports. */
export function iso(epochMs: Number_): string | null {
  return known(epochMs) ? new Date(epochMs).toISOString() : null;
}

const VENUES: Record<string, string> = {
  binance: "Binance",
  bybit: "Bybit",
  okx: "OKX",
  bitget: "Bitget",
  hyperliquid: "Hyperliquid",
};

/** A venue as it writes itself. */
export function venue(name: string): string {
  return VENUES[name] ?? name.charAt(0).toUpperCase() + name.slice(1);
}
