import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { parse } from 'fp-ts/Json';
import * as t from 'io-ts';
import { noCurves, type Curves } from '../../streams/reports/curves';

/** The metrics of a job at one time. */
export const curvePoint = t.intersection([
  t.type({ at: t.number, metrics: t.record(t.string, t.number) }),
  t.partial({ value: t.number }),
]);
const curves = t.type({ points: t.readonlyArray(curvePoint), everyMs: t.number }) as unknown as t.Type<Curves>;

/** Decodes stored curves; curves without points if the bytes are anything else. */
export const decodeCurves = (bytes: Uint8Array): Curves =>
  pipe(
    parse(new TextDecoder().decode(bytes)),
    E.flatMap((value) => curves.decode(value)),
    E.getOrElse(() => noCurves),
  );

export const encodeCurves = (curves: Curves): Uint8Array => new TextEncoder().encode(JSON.stringify(curves));
