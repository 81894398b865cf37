import type { JobState } from '../job/job-state';
import type { Metrics } from './job-report';

/** A job's metrics over time, thinned to some 200 points however long the run is. */
export interface Curves {
  readonly points: readonly CurvePoint[];
  /** The least time between two points, ms; the last may come sooner. */
  readonly everyMs: number;
}

/** The metrics at one time. */
export interface CurvePoint {
  /** ms since 1970. */
  readonly at: number;
  /** The step, if the program reported one. */
  readonly value?: number;
  readonly metrics: Metrics;
}

export const noCurves: Curves = { points: [], everyMs: 0 };

/** Numbers kept of a job in all; points of a job with few metrics, and of one with many. */
const MOST_NUMBERS = 1_000;
const MOST_POINTS = 200;
const FEWEST_POINTS = 40;

/** The curves with a point for the state's metrics; the same object if those are not new. */
export function drawn(
  curves: Curves,
  { metrics, node, reported }: Pick<JobState, 'metrics' | 'node' | 'reported'>,
): Curves {
  const last = curves.points.at(-1);
  if (metrics === undefined || reported === undefined || metrics === last?.metrics) return curves;
  // The settled state names no step.
  const value = node?.value ?? last?.value;
  return withPoint(curves, { at: reported.heardAt, ...(value !== undefined && { value }), metrics });
}

/** The stored curves, with the points seen since added. */
export const joined = (kept: Curves, seen: Curves): Curves => {
  const last = kept.points.at(-1)?.at ?? 0;
  return seen.points.filter(({ at }) => at > last).reduce(withPoint, kept);
};

/** Adds a point at the end. It replaces the last point if that came less than `everyMs` after the one before. */
function withPoint({ points, everyMs }: Curves, point: CurvePoint): Curves {
  const last = points.at(-1);
  const before = points.at(-2);
  const isSoon = last !== undefined && (point.at <= last.at || (before !== undefined && last.at - before.at < everyMs));
  const next = [...(isSoon ? points.slice(0, -1) : points), point];
  return next.length <= mostPoints(point.metrics) ? { points: next, everyMs } : thinned(next);
}

const mostPoints = (metrics: Metrics): number =>
  Math.max(FEWEST_POINTS, Math.min(MOST_POINTS, Math.floor(MOST_NUMBERS / Math.max(1, Object.keys(metrics).length))));

/** Every other point, with the first and the last. */
function thinned(points: readonly CurvePoint[]): Curves {
  const kept = points.filter((_, n) => n % 2 === 0 || n === points.length - 1);
  const spanMs = (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0);
  return { points: kept, everyMs: Math.ceil(spanMs / kept.length) };
}
