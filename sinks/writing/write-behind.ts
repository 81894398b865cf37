import {
  asyncScheduler,
  catchError,
  concat,
  defer,
  EMPTY,
  endWith,
  filter,
  ignoreElements,
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
  type Subscription,
} from 'rxjs';
import { jittered, type Backoff } from '../../streams/operators/backoff';
import { conflateMapBy } from '../../streams/operators/conflate-map-by';
import { isNewer, isSettled, type JobState } from '../../streams/job/job-state';
import { pacingBy } from '../../streams/operators/throttle-by';
import type { Report } from '../../streams/operators/reporting';
import type { StoredWorkflow } from '../stored-workflow.codec';
import { StoreUnavailable, type JobStore } from '../job-store';

/** Writes under way at once: in an outage, also how many jobs' writes are tried again and again while the others wait. */
const CONCURRENT = 64;

/** Writes the newest state of each job, and waits for the store if it must (R12). */
export interface WriteBehind {
  /** Takes a state to be written: at once if its `status` is new, else the newest `perSecond` times a second. What is no newer than what waits is ignored. */
  put(state: JobState): void;
  /** Has a workflow stored with the job's next state that is written, in place of one that waits for it already. */
  keep(promptId: string, workflow: StoredWorkflow): void;
  /** Has something done before the job's next state is written, after what else is to be done before; tried again while it errors with `StoreUnavailable`. */
  before(promptId: string, work$: Observable<unknown>): void;
  /** What is still to be done before the job's next state, which is not done by itself any more. */
  undone(promptId: string): Observable<unknown>;
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

export function writeBehind(store: Pick<JobStore, 'put' | 'get' | 'remove'>, options: WriteBehindOptions): WriteBehind {
  const { perSecond = 4, backoff = patience, clock = asyncScheduler, onStale = () => undefined, report } = options;
  const { confirmMs = 0 } = options;
  const confirmed = new WeakSet<JobState>();
  const confirming = new Map<string, Subscription>();
  const unwritten = new Map<string, JobState>();
  const workflows = new Map<string, StoredWorkflow>();
  const first = new Map<string, Observable<unknown>>();
  const state$ = new Subject<JobState>();
  let failing = false;

  /** The job of each write that has ended, one way or the other. */
  const ended$ = state$.pipe(
    pacingBy(jobOf, 1000 / perSecond, changesStatus, clock),
    conflateMapBy(jobOf, writing, CONCURRENT),
    share(),
  );

  /** Writes the job's newest state, which by the time the store takes it may be newer than the one that asked for it. */
  function writing({ promptId }: JobState): Observable<string> {
    return defer(() => {
      const state = unwritten.get(promptId);
      return state === undefined ? EMPTY : attempt(state);
    }).pipe(retry({ delay: pause }), ignoreElements(), endWith(promptId));
  }

  function attempt(state: JobState): Observable<unknown> {
    return concat(
      prepared(state.promptId),
      defer(() => {
        const workflow = workflows.get(state.promptId);
        return store.put(state, workflow).pipe(
          tap(() => {
            if (workflows.get(state.promptId) === workflow) workflows.delete(state.promptId);
          }),
        );
      }),
    ).pipe(
      tap((outcome) => {
        failing = false;
        forget(state);
        if (confirmed.has(state)) return;
        if (outcome === 'stored') confirmLater(state);
        else {
          report('write-behind', new StaleState(state));
          onStale(state);
        }
      }),
      catchError((error: unknown) => {
        if (error instanceof StoreUnavailable) throw error;
        // What can never be written, such as metadata that is no JSON, must not be tried for ever.
        report('write-behind', error);
        forget(state);
        return EMPTY;
      }),
    );
  }

  /** What was asked for meanwhile comes before the next state. */
  function prepared(promptId: string): Observable<never> {
    return defer(() => {
      const work$ = first.get(promptId);
      const done = (): void => {
        if (first.get(promptId) === work$) first.delete(promptId);
      };
      return (work$ ?? EMPTY).pipe(ignoreElements(), tap({ complete: done }));
    });
  }

  function pause(error: unknown, attempts: number): Observable<unknown> {
    if (!failing) report('write-behind', error);
    failing = true;
    return timer(backoff.delayMs(attempts, error), clock);
  }

  function confirmLater(state: JobState): void {
    if (confirmMs === 0 || !isSettled(state)) return;
    const confirm = clock.schedule(() => {
      confirming.delete(state.promptId);
      confirmed.add(state);
      writer.put(state);
    }, confirmMs);
    confirming.set(state.promptId, confirm);
  }

  function confirmNoMore(promptId: string): void {
    confirming.get(promptId)?.unsubscribe();
    confirming.delete(promptId);
  }

  function forget(state: JobState): void {
    if (unwritten.get(state.promptId) === state) unwritten.delete(state.promptId);
  }

  const running = ended$.subscribe();

  const writer: WriteBehind = {
    put: (state) => {
      const waiting = unwritten.get(state.promptId);
      if (running.closed) report('write-behind', new Unwritten(1));
      else if (waiting === undefined || isNewer(state, waiting)) {
        confirmNoMore(state.promptId);
        unwritten.set(state.promptId, state);
        state$.next(state);
      }
    },
    keep: (promptId, workflow) => void workflows.set(promptId, workflow),
    before: (promptId, work$) => {
      const earlier$ = first.get(promptId);
      first.set(promptId, earlier$ === undefined ? work$ : concat(earlier$, work$));
    },
    undone: (promptId) => {
      const work$ = first.get(promptId) ?? EMPTY;
      first.delete(promptId);
      return work$;
    },
    waiting: (promptId) => unwritten.get(promptId),
    get: (promptId) =>
      defer(() => {
        const waiting = unwritten.get(promptId);
        return waiting === undefined ? store.get(promptId) : of(waiting);
      }),
    remove: (promptId) =>
      defer(() => {
        unwritten.delete(promptId);
        first.delete(promptId);
        workflows.delete(promptId);
        return store.remove(promptId);
      }),
    unwritten: () => [...unwritten.values()],
    pending: () => unwritten.size,
    drain: (timeoutMs) =>
      defer(() =>
        unwritten.size === 0
          ? EMPTY
          : ended$.pipe(
              filter(() => unwritten.size === 0),
              take(1),
            ),
      ).pipe(
        ignoreElements(),
        timeout({ first: timeoutMs, scheduler: clock, with: () => throwError(() => new Unwritten(unwritten.size)) }),
      ),
    close: () => {
      running.unsubscribe();
      [...confirming.keys()].forEach(confirmNoMore);
    },
  };
  return writer;
}

const patience = jittered({ firstMs: 100, maxMs: 2000, steadyMs: 0 }, Math.random);

const jobOf = ({ promptId }: JobState): string => promptId;

const changesStatus = (passed: JobState, state: JobState): boolean => passed.status !== state.status;
