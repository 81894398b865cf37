import type { CurvePoint } from '../../../streams/reports/curves';

/** The box that a curve is drawn in. */
export const WIDTH = 100;
export const HEIGHT = 30;

/** One metric over time. */
export interface Curve {
  readonly name: string;
  readonly newest: string;
  /** An SVG polyline's points, within `WIDTH` and `HEIGHT`; empty where there are no two. */
  readonly line: string;
  /** What the line shows, for those who do not see it. */
  readonly words: string;
}

/** The curve of the metric of that name, whose newest value is given. */
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
  // Of halves, for the difference of two numbers may be none.
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

/** Four digits of a number: `0.0831`, `1e-7`. */
export const figure = (value: number): string => String(Number(value.toPrecision(4)));
