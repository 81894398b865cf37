import {
  asyncScheduler,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  merge,
  of,
  Subject,
  take,
  throwError,
  timeout,
  timer,
  Observable,
  type SchedulerLike,
  type Subscription,
} from 'rxjs';
import { bounds } from '../../streams/bounds';
import { jittered, type Backoff } from '../../streams/operators/backoff';
import { conflateMapBy } from '../../streams/operators/conflate-map-by';
import { isNewer, isSettled, type JobState } from '../../streams/job/job-state';
import { throttleBy } from '../../streams/operators/throttle-by';
import type { Report } from '../../streams/operators/reporting';
import type { StoredWorkflow } from '../codecs/stored-workflow.codec';
import { StoreUnavailable, type JobStore, type PutOutcome } from '../job-store';
import { confirmations, type Confirmations } from './confirmations';
import { JobWorkflows } from './job-workflows';
import { newestWritten } from './newest-written';
import { unwrittenStates, type UnwrittenStates } from './unwritten-states';
import { StaleState, Unwritten, type WriteBehind, type WriteBehindOptions } from './write-behind';

/** Writes under way at once. In an outage the writes of this many jobs are retried, and all others wait. */
const CONCURRENT = 64;

/**
 * States that are not urgent leave for the store together, every 20 ms, of a thousand a second twenty at a time: one
 * alone costs a system call, a turn of the event loop and an answer, five times as much.
 */
const GATHER_MS = 20;

/** A state to be written; an `urgent` one passes the throttle at once. */
interface Write {
  readonly state: JobState;
  readonly urgent: boolean;
}

type WrittenStore = Pick<JobStore, 'put' | 'get'>;

class QueuedWrites implements WriteBehind {
  readonly #store: WrittenStore;
  readonly #clock: SchedulerLike;
  readonly #backoff: Backoff;
  readonly #report: Report;
  readonly #onStale: (state: JobState) => void;
  /** States that the store has taken: `put` ignores them. */
  readonly #known = new WeakSet<JobState>();
  readonly #unwritten: UnwrittenStates;
  readonly #workflows = new JobWorkflows();
  readonly #write$ = new Subject<Write>();
  /** The state of each write that has ended: stored, refused as stale, or given up. */
  readonly #ended$ = new Subject<JobState>();
  readonly ends: Confirmations;
  readonly #running: Subscription;
  #failing = false;

  constructor(store: WrittenStore, options: WriteBehindOptions) {
    const { perSecond = 4, clock = asyncScheduler, random = Math.random, confirmMs = 0, report } = options;
    this.#store = store;
    this.#clock = clock;
    this.#backoff = options.backoff ?? jittered({ firstMs: 100, maxMs: 2000, steadyMs: 0 }, random);
    this.#report = report;
    this.#unwritten = unwrittenStates(clock);
    this.#onStale = options.onStale ?? (() => undefined);
    this.ends = confirmations((state) => this.renew(state), confirmMs, clock);
    const ended$ = this.#write$.pipe(
      throttleBy<Write>({
        keyOf: jobOf,
        spaceMs: (jobs) => Math.max(1000 / perSecond, (1000 * jobs) / bounds.writesPerSecond),
        kindOf: ({ state }) => state.status,
        isUrgent: ({ urgent }) => urgent,
        gatherMs: GATHER_MS,
        clock,
      }),
      conflateMapBy(jobOf, (write: Write) => this.#writing(write), CONCURRENT),
    );
    this.#running = ended$.subscribe((state) => this.#ended$.next(state));
  }

  put(state: JobState): void {
    if (!this.#known.has(state)) this.renew(state);
  }

  write(state: JobState, workflow?: StoredWorkflow): Observable<PutOutcome> {
    return defer(() => {
      if (workflow !== undefined) this.#workflows.wait(state.promptId, workflow);
      return this.#putting(state);
    });
  }

  keep(promptId: string, workflow: StoredWorkflow): void {
    this.#workflows.wait(promptId, workflow);
  }

  waitingWorkflow(promptId: string): StoredWorkflow | undefined {
    return this.#workflows.waiting(promptId);
  }

  maybeStoredMs(promptId: string): number {
    if (this.#workflows.waiting(promptId) === undefined) return Infinity;
    const since = this.#workflows.doubtedSince(promptId);
    return since === undefined ? 0 : this.#clock.now() - since;
  }

  stored(state: JobState): Observable<never> {
    return defer(() => {
      const waiting = this.#unwritten.get(state.promptId);
      if (waiting === undefined || this.#known.has(state) || this.#failing) return EMPTY;
      const isDone = (tried: JobState): boolean => tried.promptId === state.promptId && !isNewer(state, tried);
      const done$ = this.#ended$.pipe(filter(isDone), take(1));
      const hurried$ = defer(() => (this.#write$.next({ state: waiting, urgent: true }), EMPTY));
      return merge(done$, hurried$);
    }).pipe(ignoreElements());
  }

  renew(state: JobState): void {
    const waiting = this.#unwritten.get(state.promptId);
    if (this.#running.closed) this.#report('write-behind', new Unwritten(1));
    else if (waiting === undefined || isNewer(state, waiting)) {
      this.ends.forget(state.promptId);
      this.#unwritten.put(state);
      this.#write$.next({ state, urgent: false });
    }
  }

  rescue(state: JobState): void {
    this.#workflows.rescue(state.promptId);
    this.renew(state);
  }

  waiting(promptId: string): JobState | undefined {
    return this.#unwritten.get(promptId);
  }

  get(promptId: string): Observable<JobState | undefined> {
    return defer(() => {
      const waiting = this.#unwritten.get(promptId);
      return waiting === undefined ? this.#store.get(promptId) : of(waiting);
    });
  }

  unwritten(): readonly JobState[] {
    return this.#unwritten.all();
  }

  pending(): number {
    return this.#unwritten.size();
  }

  oldestMs(): number {
    return this.#unwritten.oldestMs();
  }

  drain(timeoutMs: number): Observable<never> {
    const isEmpty = (): boolean => this.#unwritten.size() === 0;
    return defer(() => (isEmpty() ? EMPTY : this.#ended$.pipe(filter(isEmpty), take(1)))).pipe(
      ignoreElements(),
      timeout({
        first: timeoutMs,
        scheduler: this.#clock,
        with: () => throwError(() => new Unwritten(this.#unwritten.size())),
      }),
    );
  }

  close(): void {
    this.#running.unsubscribe();
    this.ends.close();
  }

  /** Writes the job's newest state, which may be newer than that of `write`. */
  #writing(write: Write): Observable<JobState> {
    return newestWritten({
      newest: () => this.#unwritten.get(jobOf(write)),
      put: (state) => this.#putting(state),
      told: (state, outcome) => this.#tell(state, outcome),
      gaveUp: (state, error) => this.#giveUp(state, error),
      pause: (error, attempts) => this.#pause(error, attempts),
    });
  }

  #giveUp(state: JobState, error: unknown): void {
    this.#report('write-behind', error);
    this.#unwritten.tried(state);
    // Until the job settles it may run again, here, with what waits.
    if (isSettled(state)) this.#workflows.drop(state.promptId);
  }

  /** Stores a state with the workflow that waits for it now. */
  #putting(state: JobState): Observable<PutOutcome> {
    const { promptId } = state;
    return new Observable((out) => {
      const workflow = this.#workflows.next(promptId);
      const begunAt = this.#clock.now();
      return this.#store.put(state, workflow).subscribe({
        next: (outcome) => {
          this.#workflows.written(state, workflow, outcome);
          if (outcome === 'stored') this.#known.add(state);
          out.next(outcome);
        },
        error: (error: unknown) => {
          if (error instanceof StoreUnavailable && error.maybeDone) this.#workflows.doubted(promptId, begunAt);
          out.error(error);
        },
        complete: () => out.complete(),
      });
    });
  }

  #tell(state: JobState, outcome: PutOutcome): void {
    this.#failing = false;
    this.#unwritten.tried(state);
    if (outcome === 'stored') this.ends.later(state);
    else if (!this.ends.refused(state)) {
      this.#report('write-behind', new StaleState(state));
      this.#onStale(state);
    }
  }

  #pause(error: unknown, attempts: number): Observable<unknown> {
    if (!this.#failing) this.#report('write-behind', error);
    this.#failing = true;
    return timer(this.#backoff.delayMs(attempts, error), this.#clock);
  }
}

/** Queues writes before the store, from now on. */
export const writeBehind = (store: WrittenStore, options: WriteBehindOptions): WriteBehind =>
  new QueuedWrites(store, options);

const jobOf = ({ state }: Write): string => state.promptId;
