import "./charts.css";

/** A stretch of the scale with its word. */
export interface Zone {
  readonly from: number;
  readonly to: number;
  /** A CSS colour. */
  readonly colour: string;
}

export interface GaugeProps {
  /** What it says, for readers who do not see it. */
  readonly label: string;
  /** 0 to 100; null = not known: no needle. */
  readonly value: number | null;
  readonly zones: readonly Zone[];
  /** Uncertainty or range of the day: an arc inside the scale. */
  readonly span?: readonly [number, number] | null;
  /** What stands in the middle. */
  readonly text: string;
  readonly word: string;
  /** A CSS colour of the word. */
  readonly colour: string;
  /** At the ends of the scale. */
  readonly ends: readonly [string, string];
}

const RADIUS = 84;
const CENTRE = { x: 110, y: 104 };

/** A point of the half circle: 0 at the left, 100 at the right. */
export function onArc(value: number, radius = RADIUS): readonly [number, number] {
  const angle = Math.PI * (1 - Math.min(100, Math.max(0, value)) / 100);
  return [CENTRE.x + radius * Math.cos(angle), CENTRE.y - radius * Math.sin(angle)];
}

/** The arc between two values. */
export function arc(from: number, to: number, radius = RADIUS): string {
  const [x0, y0] = onArc(from, radius);
  const [x1, y1] = onArc(to, radius);
  return `M${x0.toFixed(2)} ${y0.toFixed(2)}A${radius} ${radius} 0 0 1 ${x1.toFixed(2)} ${y1.toFixed(2)}`;
}

/** A half circle from 0 to 100 with zones, a needle, and the range of the day inside. */
export function Gauge({ label, value, zones, span, text, word, colour, ends }: GaugeProps) {
  const tip = value === null ? null : onArc(value, RADIUS - 12);
  const foot = value === null ? null : onArc(value, RADIUS + 9);
  return (
    <svg class="gauge" role="img" aria-label={label} viewBox="0 0 220 128">
      {zones.map((zone) => (
        <path
          key={zone.from}
          d={arc(zone.from + (zone.from > 0 ? 0.6 : 0), zone.to - (zone.to < 100 ? 0.6 : 0))}
          fill="none"
          stroke={zone.colour}
          stroke-width="12"
          opacity={value !== null && value >= zone.from && (value < zone.to || zone.to === 100) ? 1 : 0.36}
        />
      ))}
      {span ? <path class="gauge-span" d={arc(span[0], span[1], RADIUS - 13)} fill="none" stroke-width="3" /> : null}
      {tip && foot ? (
        <path
          class="gauge-needle"
          d={`M${tip[0].toFixed(1)} ${tip[1].toFixed(1)}L${foot[0].toFixed(1)} ${foot[1].toFixed(1)}`}
        />
      ) : null}
      <text class="gauge-value" x={CENTRE.x} y={CENTRE.y - 18} text-anchor="middle">
        {text}
      </text>
      <text class="gauge-word" x={CENTRE.x} y={CENTRE.y + 2} text-anchor="middle" fill={colour}>
        {word}
      </text>
      <text class="gauge-end" x={CENTRE.x - RADIUS} y={CENTRE.y + 17} text-anchor="middle">
        {ends[0]}
      </text>
      <text class="gauge-end" x={CENTRE.x + RADIUS} y={CENTRE.y + 17} text-anchor="middle">
        {ends[1]}
      </text>
    </svg>
  );
}
