import { concatMap, defer, finalize, share, tap, timer, type Observable, type SchedulerLike } from 'rxjs';

/**
 * Asks one question for many subscribers. The next question comes `pauseMs` after the last one at the earliest, with
 * the keys of all who subscribed until then. Each gets the whole answer, and always to a question put after it
 * subscribed.
 */
export function askedTogether<K, A>(
  ask: (keys: readonly K[]) => Observable<A>,
  pauseMs: number,
  clock: SchedulerLike,
): (key: K) => Observable<A> {
  let askedAt = Number.NEGATIVE_INFINITY;
  let next: { readonly keys: K[]; readonly answer$: Observable<A> } | undefined;

  const question = (): NonNullable<typeof next> => {
    const keys: K[] = [];
    // At most `pauseMs`, also after the clock was set back.
    const waitMs = Math.min(pauseMs, Math.max(0, askedAt + pauseMs - clock.now()));
    const answer$ = timer(waitMs, clock).pipe(
      tap(() => {
        next = undefined;
        askedAt = clock.now();
      }),
      concatMap(() => ask([...new Set(keys)])),
      finalize(() => {
        if (next?.keys === keys) next = undefined;
      }),
      share(),
    );
    return { keys, answer$ };
  };

  return (key) =>
    defer(() => {
      const { keys, answer$ } = (next ??= question());
      keys.push(key);
      return answer$.pipe(finalize(() => keys.splice(keys.indexOf(key), 1)));
    });
}
