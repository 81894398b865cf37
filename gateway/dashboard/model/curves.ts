import type { CurvePoint } from '../../../streams/reports/curves';

/** The box that a curve is drawn in. */
export const WIDTH = 100;
export const HEIGHT = 30;

/** One metric over time. */
export interface Curve {
  readonly name: string;
  readonly newest: string;
  /** An SVG polyline's points, within `WIDTH` and `HEIGHT`; empty if there are fewer than two. */
  readonly line: string;
  /** The curve in words. */
  readonly words: string;
}

/** The curve of a metric, from its points and its newest value. */
export function curveOf(name: string, value: number, points: readonly CurvePoint[]): Curve {
  const told = points.flatMap(({ at, metrics }) => {
    const then = Object.hasOwn(metrics, name) ? metrics[name] : undefined;
    return then === undefined ? [] : [{ at, value: then }];
  });
  const first = told[0];
  const last = told.at(-1);
  if (first === undefined || last === undefined || first.at === last.at)
    return { name, newest: figure(value), line: '', words: '' };
  const least = told.reduce((less, each) => Math.min(less, each.value), value);
  const most = told.reduce((more, each) => Math.max(more, each.value), value);
  // Halved before subtracting: the difference of two huge numbers may be Infinity.
  const share = (of: number): number => (most === least ? 0.5 : (of / 2 - least / 2) / (most / 2 - least / 2));
  const line = told.map(
    ({ at, value: then }) =>
      `${((WIDTH * (at - first.at)) / (last.at - first.at)).toFixed(1)},${(HEIGHT * (1 - share(then))).toFixed(1)}`,
  );
  return {
    name,
    newest: figure(value),
    line: line.join(' '),
    words:
      least === most
        ? 'the same all the time'
        : `from ${figure(first.value)} · lowest ${figure(least)} · highest ${figure(most)}`,
  };
}

/** A number with four significant digits: `0.0831`, `1e-7`. */
export const figure = (value: number): string => String(Number(value.toPrecision(4)));
