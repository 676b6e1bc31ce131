/** Where an axis of values is labelled. */

/** Round values between two others, about `count` of them but two at least, 1, 2 or 5 times a power of ten apart. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low) || count < 1) return Number.isFinite(low) && low === high ? [low] : [];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= raw * 0.9999) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const found: number[] = [];
  for (let n = first; n * step <= high + step * 1e-9; n += 1)
    found.push(n === 0 ? 0 : Number((n * step).toPrecision(12)));
  return found.length < 2 && count < 16 ? ticks(low, high, count * 2) : found;
}
