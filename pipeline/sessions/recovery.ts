import {
  EMPTY,
  bufferCount,
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
import type { StoredWorkflow } from '../../sinks/codecs/stored-workflow.codec';
import type { StoredJob } from '../demand';
import { isTransient, type Env } from '../env';
import type { Transit } from './transit';
import { WatchedElsewhere } from './watched-elsewhere';
import { StoreUnavailable, type JobStore } from '../../sinks/job-store';
import type { SessionKey } from '../../sinks/leases';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';
import { takenOver } from '../../streams/job/job';
import { sessionOf, type JobState } from '../../streams/job/job-state';
import { chunks } from '../../streams/maps/chunks';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, reporting, reportingOutages, skippingErrors } from '../../streams/operators/reporting';

/** Jobs claimed at a time. With 500, objects outlive V8's young generation: each job took a third more CPU. */
const CLAIMS = 100;
/** Portions of `CLAIMS` jobs under way: the next is claimed while the workflows of the one before are read. */
const PORTIONS = 2;
/** Jobs added to the store's index together: the more at once, the more share a user, whose list takes one command. */
const REFILED = 1_000;

export interface RecoveryParts {
  readonly store: Pick<JobStore, 'live' | 'liveOf' | 'workflow' | 'workflows' | 'refile' | 'leases'>;
  readonly writer: Pick<WriteBehind, 'write' | 'waiting' | 'ends'>;
  readonly board: Pick<BoardView, 'job'>;
  readonly transit: Transit;
  readonly isServed: (serverUrl: string) => boolean;
  /** Whether a session is held here. */
  readonly isHeld: (clientId: string) => boolean;
  /** Whether it is certain that no other instance holds it now: one that was suspended may have lost it unnoticed. */
  readonly isCertain: (clientId: string) => boolean;
  /** The session for jobs of a server that have none. */
  readonly own: (serverUrl: string) => string;
}

/**
 * Claims unsettled stored jobs of sessions held here that are not watched here yet. Emits all jobs of a look as one
 * batch; while the store is away it tries again.
 */
export interface Recovery {
  /** Looks at all jobs of the store, but reads no states of those known here or watched by other instances (R17). */
  ofAll(): Observable<readonly StoredJob[]>;
  /** Looks at the jobs of these sessions. */
  of(clientIds: readonly string[]): Observable<readonly StoredJob[]>;
}

class StoreRecovery implements Recovery {
  readonly #parts: RecoveryParts;
  readonly #env: Env;
  readonly #elsewhere: WatchedElsewhere;

  constructor(parts: RecoveryParts, env: Env) {
    this.#parts = parts;
    this.#env = env;
    this.#elsewhere = new WatchedElsewhere(parts.isHeld);
  }

  of(clientIds: readonly string[]): Observable<readonly StoredJob[]> {
    const { store, isHeld } = this.#parts;
    const states$ = from(clientIds).pipe(
      filter(isHeld),
      concatMap((clientId) => store.liveOf(clientId, (promptId) => this.#isHere(promptId))),
      filter((state) => this.#isOurs(state)),
    );
    const claimed$ = this.#together(states$);
    return this.#patiently(claimed$);
  }

  ofAll(): Observable<readonly StoredJob[]> {
    const { report } = this.#env;
    const look$ = defer(() => {
      const others = new Map<string, string>();
      const unregistered = new Map<string, SessionKey>();
      this.#elsewhere.nextLook();
      const noted$ = defer(() => this.#noted(unregistered)).pipe(
        tap({ complete: () => this.#elsewhere.add(others) }),
        skippingErrors('lease', report),
      );
      return this.#together(this.#mine(others, unregistered)).pipe(concatMap((jobs) => concat(noted$, of(jobs))));
    });
    return this.#patiently(look$);
  }

  /**
   * Whether the job is on the board, on its way to it, or has ended here lately: the store may have an older, unsettled
   * state (R1).
   */
  #isHere(promptId: string): boolean {
    const { board, transit, writer } = this.#parts;
    if (board.job(promptId) !== undefined || transit.has(promptId)) return true;
    return writer.waiting(promptId) !== undefined || writer.ends.of(promptId) !== undefined;
  }

  /** Of a server that is not served here, only once its session is held: nobody else served that for an hour. */
  #isOurs(state: JobState): boolean {
    const { isServed, isHeld } = this.#parts;
    return (isServed(state.serverUrl) || isHeld(sessionOf(state) ?? '')) && !this.#isHere(state.promptId);
  }

  /** The jobs whose session is held here. Adds the others to `others`, and their sessions to `unregistered`. */
  #mine(others: Map<string, string>, unregistered: Map<string, SessionKey>): Observable<JobState> {
    const { store, isServed, isHeld, own } = this.#parts;
    return store
      .live((promptId) => this.#isHere(promptId) || this.#elsewhere.has(promptId))
      .pipe(
        tap((state) => {
          const { promptId, serverUrl } = state;
          const clientId = sessionOf(state);
          if (!isServed(serverUrl)) others.set(promptId, clientId ?? '');
          if (!this.#isOurs(state) || clientId === undefined || isHeld(clientId)) return;
          others.set(promptId, clientId);
          unregistered.set(clientId, { clientId, serverUrl });
        }),
        filter((state) => this.#isOurs(state)),
        map((state) => (sessionOf(state) === undefined ? { ...state, session: own(state.serverUrl) } : state)),
        filter((state) => isHeld(sessionOf(state) ?? '')),
      );
  }

  /**
   * An idle session is unregistered. An instance that was suspended may later post under it and die: its jobs then name
   * a session that no registry has, so it is registered again.
   */
  #noted(unregistered: ReadonlyMap<string, SessionKey>): Observable<never> {
    return from(unregistered.values()).pipe(mergeMap((session) => this.#parts.store.leases.note(session), CLAIMS));
  }

  /**
   * Claims a job by raising its epoch, under a certain lease. Emits nothing if the write is refused, because the job
   * ended or another instance took it since it was read (R1, R11).
   */
  #raised(state: JobState): Observable<JobState> {
    const { writer, isCertain } = this.#parts;
    const { clock, report } = this.#env;
    return defer(() => {
      if (!isCertain(sessionOf(state) ?? ''))
        throw new StoreUnavailable('whether its session is still held here is not known');
      const ours = takenOver(state, clock.now());
      return writer.write(ours).pipe(concatMap((outcome) => (outcome === 'stored' ? of(ours) : EMPTY)));
    }).pipe(
      // R15: one stored value that cannot be claimed holds up no other.
      catchError((error: unknown) => {
        if (isTransient(error)) throw error;
        report('recovery', error);
        return EMPTY;
      }),
    );
  }

  /** Claims these jobs, then reads their workflows: not before, as the last holder may still post until the claim. */
  #claimed(states: readonly JobState[]): Observable<StoredJob> {
    const { store } = this.#parts;
    return from(states).pipe(
      mergeMap((state) => this.#raised(state)),
      toArray(),
      concatMap((ours) => {
        if (ours.length === 0) return EMPTY;
        const found$ = store.workflows(ours.map(({ promptId }) => promptId));
        // If they cannot be read together, `#withWorkflow` reads each.
        const known$ = found$.pipe(catchError(() => of<ReadonlyMap<string, StoredWorkflow>>(new Map())));
        return known$.pipe(mergeMap((known) => from(ours).pipe(mergeMap((state) => this.#withWorkflow(state, known)))));
      }),
    );
  }

  #withWorkflow(state: JobState, known: ReadonlyMap<string, StoredWorkflow>): Observable<StoredJob> {
    const { clock, report, backoff } = this.#env;
    const workflow = known.get(state.promptId);
    if (workflow !== undefined) return of({ state, workflow });
    return this.#parts.store.workflow(state.promptId).pipe(
      reporting('recovery', report),
      // Retried, as without its workflow a job that was never posted would count as posted.
      reconnecting({ backoff, clock, isTransient }),
      orNothing,
      defaultIfEmpty(undefined),
      map((workflow): StoredJob => ({ state, workflow })),
    );
  }

  /** Claims these jobs in portions of `CLAIMS`, and emits all claimed ones as one batch. */
  #together(state$: Observable<JobState>): Observable<readonly StoredJob[]> {
    const { transit, store } = this.#parts;
    return defer(() => {
      const mine = new Set<string>();
      return state$.pipe(
        tap(({ promptId }) => {
          transit.enter(promptId);
          mine.add(promptId);
        }),
        bufferCount(REFILED),
        concatMap((states) => concat(store.refile(states), from(chunks(states, CLAIMS)))),
        mergeMap((states) => this.#claimed(states), PORTIONS),
        toArray(),
        finalize(() => mine.forEach((promptId) => transit.leave(promptId))),
      );
    });
  }

  #patiently<T>(look$: Observable<T>): Observable<T> {
    const { report, backoff, clock } = this.#env;
    const told = reportingOutages('recovery', report, isTransient);
    return look$.pipe(told(), reconnecting({ backoff, clock, isTransient }));
  }
}

/** The recovery of jobs from the store, for one instance. */
export const recovery = (parts: RecoveryParts, env: Env): Recovery => new StoreRecovery(parts, env);
