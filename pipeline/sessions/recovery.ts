import {
  EMPTY,
  catchError,
  concatMap,
  defaultIfEmpty,
  defer,
  filter,
  finalize,
  from,
  map,
  mergeMap,
  tap,
  toArray,
  type Observable,
} from 'rxjs';
import type { StoredJob } from '../demand';
import { isTransient, type Env } from '../env';
import type { Transit } from '../transit';
import type { JobStore } from '../../sinks/job-store';
import type { SessionKey } from '../../sinks/leases';
import type { BoardView } from '../../streams/board/board';
import { sessionOf, type JobState } from '../../streams/job/job-state';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, reporting } from '../../streams/operators/reporting';

/** Jobs claimed at a time. */
const CLAIMS = 64;

export interface RecoveryParts {
  readonly store: JobStore;
  readonly board: Pick<BoardView, 'job'>;
  readonly transit: Transit;
  readonly isServed: (serverUrl: string) => boolean;
  /** Whether a session is held here. */
  readonly isHeld: (clientId: string) => boolean;
  /** The session under which jobs of a server are watched that have none. */
  readonly own: (serverUrl: string) => string;
}

/**
 * Claims every unsettled job of the store that is ours to watch and that we do not watch yet. Emits what was claimed in
 * one go and completes; waits for a store that is down.
 */
export function recovered(parts: RecoveryParts, env: Env): Observable<readonly StoredJob[]> {
  const { store, board, transit, isServed, isHeld, own } = parts;
  const { clock, backoff, report } = env;

  const unwatched = (strays: Map<string, SessionKey>): Observable<JobState> =>
    store.live().pipe(
      filter(
        ({ serverUrl, promptId }) => isServed(serverUrl) && board.job(promptId) === undefined && !transit.has(promptId),
      ),
      tap((state) => {
        const clientId = sessionOf(state) ?? '';
        if (clientId !== '' && !isHeld(clientId)) strays.set(clientId, { clientId, serverUrl: state.serverUrl });
      }),
      map((state) => (sessionOf(state) === undefined ? { ...state, session: own(state.serverUrl) } : state)),
      filter((state) => isHeld(sessionOf(state) ?? '')),
    );

  /**
   * An idle session is unregistered. An instance that was suspended may later post under it and die: its jobs then name a
   * session that no registry has, so it is registered again.
   */
  const noted = (strays: ReadonlyMap<string, SessionKey>): Observable<never> =>
    from(strays.values()).pipe(
      mergeMap((session) => store.leases.note(session), CLAIMS),
      reporting('lease', report),
      orNothing,
    );

  /** Raises the epoch. Emits nothing if the job ended, or another instance took it, since it was read (R1). */
  const claimed = (state: JobState): Observable<StoredJob> =>
    defer(() => {
      const at = clock.now();
      const ours = { ...state, epoch: Math.max(state.epoch + 1, at), updatedAt: at };
      return store.put(ours).pipe(
        filter((outcome) => outcome === 'stored'),
        concatMap(() =>
          store.workflow(state.promptId).pipe(reporting('recovery', report), orNothing, defaultIfEmpty(undefined)),
        ),
        map((workflow): StoredJob => ({ state: ours, workflow })),
      );
    }).pipe(
      // R15: one stored value that cannot be claimed holds up no other.
      catchError((error: unknown) => {
        if (isTransient(error)) throw error;
        report('recovery', error);
        return EMPTY;
      }),
    );

  return defer(() => {
    const mine = new Set<string>();
    const strays = new Map<string, SessionKey>();
    return unwatched(strays).pipe(
      tap(({ promptId }) => {
        transit.enter(promptId);
        mine.add(promptId);
      }),
      mergeMap(claimed, CLAIMS),
      toArray(),
      concatMap((jobs) =>
        noted(strays).pipe(
          defaultIfEmpty(undefined),
          map(() => jobs),
        ),
      ),
      finalize(() => mine.forEach((promptId) => transit.leave(promptId))),
    );
  }).pipe(reporting('recovery', report), reconnecting({ backoff, clock, isTransient }));
}
