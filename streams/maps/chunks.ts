import { from, mergeMap, timer, type Observable, type SchedulerLike } from 'rxjs';

/** A list in parts of `size`. */
export const chunks = <T>(all: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));

/** Emits many values in slices of `size`, 20 ms apart, so that other work of the event loop comes between. */
export const inSlices = <T>(values: readonly T[], size: number, clock: SchedulerLike): Observable<T> =>
  from(chunks(values, size)).pipe(mergeMap((slice, n) => timer(n * 20, clock).pipe(mergeMap(() => slice))));
