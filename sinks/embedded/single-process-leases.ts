import { concat, defer, distinct, EMPTY, filter, map, mergeMap, Observable, of, Subject, tap, toArray } from 'rxjs';
import { isSettled, sessionOf, type JobState } from '../../streams/job/job-state';
import type { LeaseOutcome, Leases, SessionRequest, SessionKey } from '../leases';
import { watchers } from '../../streams/maps/keyed-watchers';

/** As with Redis. */
const TTL_MS = 10_000;

/**
 * The leases of a store that one process has to itself: `hold` succeeds while no other process can claim it. The orphans are the sessions that an
 * earlier process left, found once in the stored jobs, and those that one of several pipelines on this store gives
 * back.
 */
class SingleProcessLeases implements Leases {
  readonly ttlMs = TTL_MS;
  readonly #given$ = new Subject<unknown>();
  readonly released$: Observable<unknown> = this.#given$;
  readonly #stored: () => Observable<JobState>;
  readonly #kept: (ms: number) => Observable<never>;
  readonly #held = new Set<string>();
  readonly #requests = watchers<SessionRequest>();
  /**
   * Sessions that an earlier process left or a pipeline gave back, and that nobody took since; `undefined` until the
   * stored jobs were searched.
   */
  #left: readonly SessionKey[] | undefined;

  constructor(stored: () => Observable<JobState>, kept: (ms: number) => Observable<never>) {
    this.#stored = stored;
    this.#kept = kept;
  }

  hold({ clientId }: SessionKey): Observable<LeaseOutcome> {
    const held$ = defer(() => {
      this.#held.add(clientId);
      this.#left = this.#left?.filter((session) => session.clientId !== clientId);
      return of<LeaseOutcome>('held');
    });
    // A process that stood still in one container is woken when one in another has its jobs: it must post none.
    return concat(this.#kept(TTL_MS), held$);
  }

  release(session: SessionKey, forget = false): Observable<never> {
    return defer(() => {
      const wasHeld = this.#held.delete(session.clientId);
      if (!wasHeld || forget) return EMPTY;
      this.#left = this.#left && [...this.#left, session];
      this.#given$.next(session.clientId);
      return EMPTY;
    });
  }

  note(session: SessionKey): Observable<never> {
    return defer(() => {
      const isLeft = this.#left?.some(({ clientId }) => clientId === session.clientId) ?? false;
      if (!this.#held.has(session.clientId) && !isLeft) this.#left = this.#left && [...this.#left, session];
      return EMPTY;
    });
  }

  orphans(): Observable<{ readonly sessions: readonly SessionKey[] }> {
    return defer(() => (this.#left === undefined ? this.#inStore() : of(this.#left))).pipe(
      tap((sessions) => (this.#left = sessions)),
      map((sessions) => ({ sessions })),
    );
  }

  ask(clientId: string, request: SessionRequest): Observable<boolean> {
    return defer(() => of(this.#requests.tell(clientId, request)));
  }

  asked(clientId: string): Observable<SessionRequest> {
    return this.#requests.changes(clientId);
  }

  #inStore(): Observable<readonly SessionKey[]> {
    return this.#stored().pipe(
      filter((state) => !isSettled(state)),
      mergeMap(keyOf),
      filter(({ clientId }) => !this.#held.has(clientId)),
      distinct(({ clientId }) => clientId),
      toArray(),
    );
  }
}

/** Leases of one process, from the jobs that are `stored`; `kept` completes once it has the store for so many ms. */
export const singleProcessLeases = (
  stored: () => Observable<JobState>,
  kept: (ms: number) => Observable<never>,
): Leases => new SingleProcessLeases(stored, kept);

function keyOf(state: JobState): Observable<SessionKey> {
  const clientId = sessionOf(state);
  return clientId === undefined ? EMPTY : of({ clientId, serverUrl: state.serverUrl });
}
