import { useMemo } from "preact/hooks";
import "./charts.css";
import { extent, linear, type Point, runs } from "./scale";

export interface SparkProps {
  /** What it shows, for readers who do not see it. */
  readonly label: string;
  readonly points: readonly Point[];
  /** A CSS colour. */
  readonly colour: string;
  /** Two points further apart than this are not joined, ms. */
  readonly widestMs?: number;
  /** Epoch ms; those of the points. */
  readonly from?: number;
  readonly to?: number;
  /** CSS pixels; 28. The width is what there is. */
  readonly height?: number;
  readonly hasArea?: boolean;
}

const WIDE = 200;

/** A word-sized line without axes; gaps stay open. */
export function Spark(props: SparkProps) {
  const { points, widestMs, colour } = props;
  const height = props.height ?? 28;
  const from = props.from ?? points[0]?.[0] ?? 0;
  const to = props.to ?? points.at(-1)?.[0] ?? 1;
  const paths = useMemo(() => sparkPaths(points, from, to, height, widestMs), [points, from, to, height, widestMs]);
  return (
    <svg
      class="spark"
      role="img"
      aria-label={props.label}
      viewBox={`0 0 ${WIDE} ${height}`}
      preserveAspectRatio="none"
      height={height}
    >
      {props.hasArea === false
        ? null
        : paths.map((path) => <path key={path.line} d={path.area} fill={colour} fill-opacity="0.14" />)}
      {paths.map((path) => (
        <path
          key={path.line}
          d={path.line}
          fill="none"
          stroke={colour}
          stroke-width="1.5"
          vector-effect="non-scaling-stroke"
        />
      ))}
    </svg>
  );
}

/** Paths of each run without a hole, in a box 200 wide. */
export function sparkPaths(
  points: readonly Point[],
  from: number,
  to: number,
  height: number,
  widestMs?: number,
): { line: string; area: string }[] {
  const scale = extent(points.map(([, value]) => value));
  if (scale === null) return [];
  const x = linear(from, to, 0, WIDE);
  const y = linear(scale[0], scale[1], height - 1.5, 1.5);
  return runs(points, widestMs).map((run) => {
    const dots = run.map(([at, value]) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
    const line = `M${dots.length === 1 ? `${dots[0]}L${dots[0]}` : dots.join("L")}`;
    const [start, end] = [x(run[0]?.[0] ?? from).toFixed(1), x(run.at(-1)?.[0] ?? to).toFixed(1)];
    return { line, area: `${line}L${end} ${height}L${start} ${height}Z` };
  });
}

export interface MirrorProps {
  readonly label: string;
  /** Upwards and downwards, 0 or more; null = not known. */
  readonly pairs: readonly (readonly [up: number | null, down: number | null])[];
  readonly upColour: string;
  readonly downColour: string;
  /** CSS pixels; 28. */
  readonly height?: number;
}

/** Word-sized columns above and below one line, such as longs and shorts liquidated by hour. Unknown is a dot on the line. */
export function Mirror({ label, pairs, upColour, downColour, height = 28 }: MirrorProps) {
  const most = Math.max(...pairs.flatMap(([up, down]) => [up ?? 0, down ?? 0]), 0);
  const step = WIDE / Math.max(1, pairs.length);
  const middle = height / 2;
  const size = (value: number | null) => (most > 0 ? ((value ?? 0) / most) * (middle - 1) : 0);
  return (
    <svg
      class="spark"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${WIDE} ${height}`}
      preserveAspectRatio="none"
      height={height}
    >
      {pairs.map(([up, down], n) => (
        <g key={n}>
          <rect
            x={n * step + step * 0.12}
            width={step * 0.76}
            y={middle - size(up)}
            height={size(up)}
            fill={upColour}
          />
          <rect x={n * step + step * 0.12} width={step * 0.76} y={middle} height={size(down)} fill={downColour} />
          {up === null && down === null ? (
            <rect class="spark-unknown" x={n * step + step * 0.3} width={step * 0.4} y={middle - 1} height={2} />
          ) : null}
        </g>
      ))}
      <path class="spark-zero" d={`M0 ${middle}H${WIDE}`} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
