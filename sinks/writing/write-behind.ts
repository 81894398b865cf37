import {
  asyncScheduler,
  catchError,
  defer,
  EMPTY,
  endWith,
  filter,
  ignoreElements,
  merge,
  of,
  retry,
  share,
  Subject,
  take,
  tap,
  throwError,
  timeout,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { jittered, type Backoff } from '../../streams/operators/backoff';
import { conflateMapBy } from '../../streams/operators/conflate-map-by';
import { isNewer, type JobState } from '../../streams/job/job-state';
import { pacingBy } from '../../streams/operators/throttle-by';
import type { Report } from '../../streams/operators/reporting';
import type { StoredWorkflow } from '../stored-workflow.codec';
import { StoreUnavailable, type JobStore, type PutOutcome } from '../job-store';
import { confirmations } from './confirmations';
import { unwrittenStates } from './unwritten-states';

/** Writes under way at once: in an outage, also how many jobs' writes are tried again and again while the others wait. */
const CONCURRENT = 64;

/** Writes the newest state of each job, and waits for the store if it must (R12). */
export interface WriteBehind {
  /** Takes a state to be written: at once if its `status` is new, else the newest `perSecond` times a second. What is stored, or no newer than what waits, is ignored. */
  put(state: JobState): void;
  /**
   * Writes a state now, of a job nothing of which waits, with its workflow where one is given. Emits the outcome and
   * completes; errors as `JobStore.put` does, and then has the workflow stored with the job's next state.
   */
  write(state: JobState, workflow?: StoredWorkflow): Observable<PutOutcome>;
  /** Has a workflow stored with the job's next state that is written, in place of one that waits for it already. */
  keep(promptId: string, workflow: StoredWorkflow): void;
  /** Completes when this state, or a newer one, is stored; at once where it is already, never will be, or the store is away. Has it written now if it waits. */
  stored(state: JobState): Observable<never>;
  /** Writes a state again, so that it lives on. */
  renew(state: JobState): void;
  /** What waits to be written of a job. */
  waiting(promptId: string): JobState | undefined;
  /** What waits to be written, else what is stored; see `JobStore.get`. */
  get(promptId: string): Observable<JobState | undefined>;
  /** Forgets a job, here and in the store. Emits whether it was there; errors with `StoreUnavailable`. */
  remove(promptId: string): Observable<boolean>;
  /** The states that are not stored yet, one a job. */
  unwritten(): readonly JobState[];
  /** How many they are. */
  pending(): number;
  /** For how many ms the job has waited that has waited longest; 0 where none waits. */
  oldestMs(): number;
  /** Completes when nothing is left to write. Errors with `Unwritten` after `timeoutMs`. */
  drain(timeoutMs: number): Observable<never>;
  /** Stops, at once: `drain` first. What is put later is reported. */
  close(): void;
}

export interface WriteBehindOptions {
  readonly perSecond?: number;
  /** How long a failed write waits. */
  readonly backoff?: Backoff;
  readonly clock?: SchedulerLike;
  /** For jitter: 0–1. */
  readonly random?: () => number;
  /**
   * A settled state is written once more after so long, which costs nothing where it is still there: a master that
   * dies takes what its replica has not got yet along, acknowledged or not. Not by default.
   */
  readonly confirmMs?: number;
  /** Called with each state that was refused because a newer owner's is stored (R11). */
  readonly onStale?: (state: JobState) => void;
  /** Told of each refused (`StaleState`) or given-up write, and of an outage once, when it begins. */
  readonly report: Report;
}

/** A newer owner's state is stored already, so this instance's was refused (R11). */
export class StaleState extends Error {
  override readonly name = 'StaleState';
  constructor(readonly state: JobState) {
    super(`job ${state.promptId}: a newer state than epoch ${state.epoch}, seq ${state.seq} is stored`);
  }
}

/** States that could not be written in time, or at all. */
export class Unwritten extends Error {
  override readonly name = 'Unwritten';
  constructor(readonly jobs: number) {
    super(`${jobs} states are not written`);
  }
}

/** A state to be written, at once where that is `urgent`. */
interface Write {
  readonly state: JobState;
  readonly urgent: boolean;
}

export function writeBehind(store: Pick<JobStore, 'put' | 'get' | 'remove'>, options: WriteBehindOptions): WriteBehind {
  const { perSecond = 4, clock = asyncScheduler, random = Math.random, onStale = () => undefined, report } = options;
  const { confirmMs = 0, backoff = jittered({ firstMs: 100, maxMs: 2000, steadyMs: 0 }, random) } = options;
  /** States that the store has, or had: who holds one need not write it. */
  const known = new WeakSet<JobState>();
  const unwritten = unwrittenStates(clock);
  const workflows = new Map<string, StoredWorkflow>();
  const write$ = new Subject<Write>();
  /** What a try to write ended with, well or not. */
  const tried$ = new Subject<JobState>();
  let failing = false;

  /** The job of each write that has ended, one way or the other. */
  const ended$ = write$.pipe(
    pacingBy(jobOf, 1000 / perSecond, isUrgent, clock),
    conflateMapBy(jobOf, writing, CONCURRENT),
    share(),
  );

  /** Writes the job's newest state, which by the time the store takes it may be newer than the one that asked for it. */
  function writing(write: Write): Observable<string> {
    const promptId = jobOf(write);
    return defer(() => {
      const state = unwritten.get(promptId);
      return state === undefined ? EMPTY : attempt(state);
    }).pipe(retry({ delay: pause }), ignoreElements(), endWith(promptId));
  }

  /** Stores a state with the workflow that waits for it. */
  function putting(state: JobState): Observable<PutOutcome> {
    return defer(() => {
      const workflow = workflows.get(state.promptId);
      return store.put(state, workflow).pipe(
        tap((outcome) => {
          if (workflows.get(state.promptId) === workflow) workflows.delete(state.promptId);
          if (outcome === 'stored') known.add(state);
        }),
      );
    });
  }

  function attempt(state: JobState): Observable<unknown> {
    return putting(state).pipe(
      tap((outcome) => {
        failing = false;
        unwritten.tried(state);
        if (confirming.isConfirmed(state)) return;
        if (outcome === 'stored') confirming.later(state);
        else {
          report('write-behind', new StaleState(state));
          onStale(state);
        }
      }),
      catchError((error: unknown) => {
        if (error instanceof StoreUnavailable) throw error;
        // What can never be written, such as metadata that is no JSON, must not be tried for ever.
        report('write-behind', error);
        unwritten.tried(state);
        return EMPTY;
      }),
      tap({ complete: () => tried$.next(state) }),
    );
  }

  function pause(error: unknown, attempts: number): Observable<unknown> {
    if (!failing) report('write-behind', error);
    failing = true;
    return timer(backoff.delayMs(attempts, error), clock);
  }

  function enqueue(state: JobState): void {
    const waiting = unwritten.get(state.promptId);
    if (running.closed) report('write-behind', new Unwritten(1));
    else if (waiting === undefined || isNewer(state, waiting)) {
      confirming.noMore(state.promptId);
      unwritten.put(state);
      write$.next({ state, urgent: false });
    }
  }

  const confirming = confirmations(enqueue, confirmMs, clock);
  const running = ended$.subscribe();

  return {
    put: (state) => {
      if (!known.has(state)) enqueue(state);
    },
    write: (state, workflow) =>
      defer(() => {
        if (workflow !== undefined) workflows.set(state.promptId, workflow);
        return putting(state);
      }),
    keep: (promptId, workflow) => void workflows.set(promptId, workflow),
    stored: (state) =>
      defer(() => {
        const waiting = unwritten.get(state.promptId);
        if (waiting === undefined || known.has(state) || failing) return EMPTY;
        const isDone = (tried: JobState): boolean => tried.promptId === state.promptId && !isNewer(state, tried);
        const done$ = tried$.pipe(filter(isDone), take(1));
        return merge(
          done$,
          defer(() => (write$.next({ state: waiting, urgent: true }), EMPTY)),
        );
      }).pipe(ignoreElements()),
    renew: enqueue,
    waiting: (promptId) => unwritten.get(promptId),
    get: (promptId) =>
      defer(() => {
        const waiting = unwritten.get(promptId);
        return waiting === undefined ? store.get(promptId) : of(waiting);
      }),
    remove: (promptId) =>
      defer(() => {
        unwritten.drop(promptId);
        workflows.delete(promptId);
        return store.remove(promptId);
      }),
    unwritten: unwritten.all,
    pending: unwritten.size,
    oldestMs: unwritten.oldestMs,
    drain: (timeoutMs) =>
      defer(() =>
        unwritten.size() === 0
          ? EMPTY
          : ended$.pipe(
              filter(() => unwritten.size() === 0),
              take(1),
            ),
      ).pipe(
        ignoreElements(),
        timeout({ first: timeoutMs, scheduler: clock, with: () => throwError(() => new Unwritten(unwritten.size())) }),
      ),
    close: () => {
      running.unsubscribe();
      confirming.close();
    },
  };
}

const jobOf = ({ state }: Write): string => state.promptId;

const isUrgent = (passed: Write, { state, urgent }: Write): boolean => urgent || passed.state.status !== state.status;
