import {
  defer,
  distinct,
  EMPTY,
  filter,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  tap,
  toArray,
  type Subscriber,
} from 'rxjs';
import { isSettled, sessionOf, type JobState } from '../../streams/job/job-state';
import type { Leases, Request, SessionKey } from '../leases';

/** As in Redis, though nothing runs out here. */
const TTL_MS = 10_000;

/**
 * The leases of a store that one process has to itself: whatever it wants, it holds. The orphans are what the process
 * before it left: looked for once, in the stored jobs.
 */
export function soleLeases(stored: () => Observable<JobState>): Leases {
  const held = new Set<string>();
  const askable = new Map<string, Set<Subscriber<Request>>>();
  /** Those of the process before that were not taken yet; unknown until they are looked for. */
  let left: readonly SessionKey[] | undefined;

  const found$ = defer(stored).pipe(
    filter((state) => !isSettled(state)),
    mergeMap(keyOf),
    filter(({ clientId }) => !held.has(clientId)),
    distinct(({ clientId }) => clientId),
    toArray(),
  );

  return {
    ttlMs: TTL_MS,

    hold: ({ clientId }) =>
      defer(() => {
        held.add(clientId);
        left = left?.filter((session) => session.clientId !== clientId);
        return of('held' as const);
      }),

    release: ({ clientId }) =>
      defer(() => {
        held.delete(clientId);
        return EMPTY;
      }),

    note: (session) =>
      defer(() => {
        const isKnown = held.has(session.clientId) || left?.some(({ clientId }) => clientId === session.clientId);
        if (isKnown !== true) left = left && [...left, session];
        return EMPTY;
      }),

    orphans: () =>
      defer(() => (left === undefined ? found$ : of(left))).pipe(
        tap((sessions) => (left = sessions)),
        map((sessions) => ({ sessions })),
      ),

    released$: NEVER,

    ask: (clientId, request) =>
      defer(() => {
        const asked = [...(askable.get(clientId) ?? [])];
        asked.forEach((each) => each.next(request));
        return of(asked.length > 0);
      }),

    asked: (clientId) =>
      new Observable((out) => {
        const all = askable.get(clientId) ?? new Set();
        askable.set(clientId, all.add(out));
        return () => {
          all.delete(out);
          if (all.size === 0) askable.delete(clientId);
        };
      }),
  };
}

function keyOf(state: JobState): Observable<SessionKey> {
  const clientId = sessionOf(state);
  return clientId === undefined ? EMPTY : of({ clientId, serverUrl: state.serverUrl });
}
