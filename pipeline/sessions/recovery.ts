import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defaultIfEmpty,
  defer,
  filter,
  finalize,
  from,
  map,
  mergeMap,
  of,
  tap,
  toArray,
  type Observable,
} from 'rxjs';
import type { StoredJob } from '../demand';
import { isTransient, type Env } from '../env';
import type { Transit } from '../transit';
import type { JobStore } from '../../sinks/job-store';
import type { SessionKey } from '../../sinks/leases';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';
import { sessionOf, type JobState } from '../../streams/job/job-state';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, reporting } from '../../streams/operators/reporting';

/** Jobs claimed at a time. */
const CLAIMS = 500;
/** After so many looks, what others watch is read anew. */
const FORGOTTEN_AFTER = 30;

export interface RecoveryParts {
  readonly store: Pick<JobStore, 'live' | 'liveOf' | 'workflow' | 'leases'>;
  readonly writer: Pick<WriteBehind, 'write' | 'waiting'>;
  readonly board: Pick<BoardView, 'job'>;
  readonly transit: Transit;
  readonly isServed: (serverUrl: string) => boolean;
  /** Whether a session is held here. */
  readonly isHeld: (clientId: string) => boolean;
  /** The session under which jobs of a server are watched that have none. */
  readonly own: (serverUrl: string) => string;
}

/** Claims unsettled jobs of the store that are ours to watch and not watched yet. What it emits was claimed in one go; waits for a store that is down. */
export interface Recovery {
  /** Looks at all jobs of the store: of those that are known here, or to be watched elsewhere, nothing is read (R17). */
  readonly ofAll: () => Observable<readonly StoredJob[]>;
  /** Looks at the jobs that these sessions watch. */
  readonly of: (clientIds: readonly string[]) => Observable<readonly StoredJob[]>;
}

export function recovery(parts: RecoveryParts, env: Env): Recovery {
  const { store, board, transit, isServed, isHeld, own, writer } = parts;
  const { clock, backoff, report } = env;
  const elsewhere = watchedElsewhere();

  // A job whose end is not written yet is stored as it was before: it has ended here all the same (R1).
  const isHere = (promptId: string): boolean =>
    board.job(promptId) !== undefined || transit.has(promptId) || writer.waiting(promptId) !== undefined;
  const isOurs = ({ serverUrl, promptId }: JobState): boolean => isServed(serverUrl) && !isHere(promptId);
  const ofSession = (clientId: string): Observable<JobState> => store.liveOf(clientId, isHere).pipe(filter(isOurs));

  /** The jobs whose session is held here; of the others, `others` and `strays` are told. */
  const ofAll = (others: Set<string>, strays: Map<string, SessionKey>): Observable<JobState> =>
    store
      .live((promptId) => isHere(promptId) || elsewhere.has(promptId))
      .pipe(
        tap((state) => {
          const { promptId, serverUrl } = state;
          const clientId = sessionOf(state);
          if (!isServed(serverUrl)) others.add(promptId);
          if (!isOurs(state) || clientId === undefined || isHeld(clientId)) return;
          others.add(promptId);
          strays.set(clientId, { clientId, serverUrl });
        }),
        filter(isOurs),
        map((state) => (sessionOf(state) === undefined ? { ...state, session: own(state.serverUrl) } : state)),
        filter((state) => isHeld(sessionOf(state) ?? '')),
      );

  /**
   * An idle session is unregistered. An instance that was suspended may later post under it and die: its jobs then name a
   * session that no registry has, so it is registered again.
   */
  const noted = (strays: ReadonlyMap<string, SessionKey>): Observable<never> =>
    from(strays.values()).pipe(mergeMap((session) => store.leases.note(session), CLAIMS));

  /** Raises the epoch. Emits nothing if the job ended, or another instance took it, since it was read (R1). */
  const claimed = (state: JobState): Observable<StoredJob> =>
    defer(() => {
      const at = clock.now();
      const ours = { ...state, epoch: Math.max(state.epoch + 1, at), updatedAt: at };
      return writer.write(ours).pipe(
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

  /** All that are claimed of these, together. */
  const together = (state$: Observable<JobState>): Observable<readonly StoredJob[]> =>
    defer(() => {
      const mine = new Set<string>();
      return state$.pipe(
        tap(({ promptId }) => {
          transit.enter(promptId);
          mine.add(promptId);
        }),
        mergeMap(claimed, CLAIMS),
        toArray(),
        finalize(() => mine.forEach((promptId) => transit.leave(promptId))),
      );
    });
  const patiently = <T>(look$: Observable<T>): Observable<T> =>
    look$.pipe(reporting('recovery', report), reconnecting({ backoff, clock, isTransient }));

  return {
    of: (clientIds) => patiently(together(from(clientIds).pipe(concatMap(ofSession)))),
    ofAll: () =>
      patiently(
        defer(() => {
          const others = new Set<string>();
          const strays = new Map<string, SessionKey>();
          elsewhere.look();
          const noted$ = defer(() => noted(strays)).pipe(tap({ complete: () => elsewhere.add(others) }));
          return together(ofAll(others, strays)).pipe(
            concatMap((jobs) => concat(noted$.pipe(reporting('lease', report), orNothing), of(jobs))),
          );
        }),
      ),
  };
}

/**
 * The jobs that other instances watch, by their states. Their sessions are registered: whoever inherits one of those
 * looks at its jobs. Those that are listed no more are forgotten, and every now and then all.
 */
function watchedElsewhere() {
  let before: ReadonlySet<string> = new Set<string>();
  let now = new Set<string>();
  let looks = 0;
  return {
    /** A new look begins. */
    look: () => {
      looks += 1;
      before = looks % FORGOTTEN_AFTER === 0 ? new Set() : now;
      now = new Set();
    },
    has: (promptId: string): boolean => {
      if (!before.has(promptId)) return false;
      now.add(promptId);
      return true;
    },
    add: (promptIds: Iterable<string>): void => {
      for (const promptId of promptIds) now.add(promptId);
    },
  };
}
