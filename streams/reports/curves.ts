import type { JobState } from '../job/job-state';
import type { Metrics } from './job-report';

/** A job's metrics over time, thinned: of a long run as many points as of a short one. */
export interface Curves {
  readonly points: readonly CurvePoint[];
  /** Points are at least so far apart, in ms, but for the last. */
  readonly everyMs: number;
}

/** What was told at one moment. */
export interface CurvePoint {
  /** ms since 1970. */
  readonly at: number;
  /** The step, where it was told. */
  readonly value?: number;
  readonly metrics: Metrics;
}

export const noCurves: Curves = { points: [], everyMs: 0 };

/** Numbers kept of a job in all, and points of one with few metrics. */
const MOST_NUMBERS = 1_000;
const MOST_POINTS = 200;
const FEWEST_POINTS = 40;

/** The curves with what a state tells; the same where it tells nothing new. */
export function drawn(
  curves: Curves,
  { metrics, node, reported }: Pick<JobState, 'metrics' | 'node' | 'reported'>,
): Curves {
  const last = curves.points.at(-1);
  if (metrics === undefined || reported === undefined || metrics === last?.metrics) return curves;
  // An end names no step.
  const value = node?.value ?? last?.value;
  return withPoint(curves, { at: reported.heardAt, ...(value !== undefined && { value }), metrics });
}

/** Of both, in the order of time: what was kept, and what was seen since. */
export const joined = (kept: Curves, seen: Curves): Curves => {
  const last = kept.points.at(-1)?.at ?? 0;
  return seen.points.filter(({ at }) => at > last).reduce(withPoint, kept);
};

/** The newest point always stands last; one that came too soon after the one before it is replaced by it. */
function withPoint({ points, everyMs }: Curves, point: CurvePoint): Curves {
  const last = points.at(-1);
  const before = points.at(-2);
  const isSoon = last !== undefined && (point.at <= last.at || (before !== undefined && last.at - before.at < everyMs));
  const next = [...(isSoon ? points.slice(0, -1) : points), point];
  return next.length <= mostPoints(point.metrics) ? { points: next, everyMs } : thinned(next);
}

const mostPoints = (metrics: Metrics): number =>
  Math.max(FEWEST_POINTS, Math.min(MOST_POINTS, Math.floor(MOST_NUMBERS / Math.max(1, Object.keys(metrics).length))));

/** Every other point, the first and the last among them. */
function thinned(points: readonly CurvePoint[]): Curves {
  const kept = points.filter((_, n) => n % 2 === 0 || n === points.length - 1);
  const spanMs = (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0);
  return { points: kept, everyMs: Math.ceil(spanMs / kept.length) };
}
