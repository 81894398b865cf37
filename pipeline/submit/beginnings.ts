import { randomUUID } from 'node:crypto';
import { EMPTY, catchError, concatMap, defer, from, map, of, tap, lastValueFrom, type Observable } from 'rxjs';
import { TooManyJobs, type SubmitOnce } from '../api';
import { isTransient, type Env } from '../env';
import { idempotentSubmit, type Identity } from './idempotent-submit';
import type { RememberedKeys } from './remembered-keys';
import type { Reads } from '../reads/reads';
import type { Transit } from '../sessions/transit';
import type { JobStore, Usage } from '../../sinks/job-store';
import type { StoredWorkflow } from '../../sinks/codecs/stored-workflow.codec';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import type { JobState } from '../../streams/job/job-state';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, reporting } from '../../streams/operators/reporting';

/** What one user's unsettled jobs may come to. */
export interface UserLimits {
  /** How many there may be. */
  readonly jobs: number;
  /** Bytes of the workflows stored for them. */
  readonly bytes: number;
  /** Nodes of those that one instance watches. */
  readonly nodes: number;
}

export interface BeginningParts {
  readonly board: BoardView;
  readonly reads: Pick<Reads, 'get' | 'present'>;
  readonly transit: Transit;
  readonly store: JobStore;
  readonly writer: Pick<WriteBehind, 'write'>;
  readonly keys: Pick<RememberedKeys, 'of' | 'note'>;
  readonly limits: UserLimits;
  /** See `Life.run`. */
  readonly run: (command$: Observable<BoardEvent>) => Promise<void>;
}

/** A job that is to begin. */
export interface NewJob {
  readonly userId: string;
  /**
   * The job's first state. `now` is when it begins: under a caller's key that may be long after the key's first use.
   */
  readonly stateOf: (as: Identity, now: number) => JobState;
  readonly workflow?: StoredWorkflow;
  /** Bytes of the workflow and its extra data. */
  readonly bytes: number;
  /** Has the job watched; its first event puts it on the board. `stored`: another instance may take it up. */
  readonly first: (state: JobState, stored: boolean) => Observable<BoardEvent>;
}

/** How jobs begin: those that ComfyUI runs, and reported ones. */
export interface Beginnings {
  /**
   * Stores a job within its user's limits, and has it watched. With an identity any instance may call it again: only
   * the call whose `put` is answered `stored` goes on.
   */
  readonly begin: (job: NewJob, as?: Identity) => Promise<JobState>;
  /** Begins a job under a caller's key; see `idempotentSubmit`. */
  readonly once: (once: SubmitOnce, begin: (as: Identity) => Promise<JobState>) => Promise<JobState>;
}

export function beginnings(parts: BeginningParts, env: Env): Beginnings {
  const { reads, transit, store, writer, keys, run } = parts;
  const { clock, report, backoff } = env;
  const attempted = <T>(work$: Observable<T>): Observable<T> => work$.pipe(reporting('store', report), orNothing);
  const admitted = perUser(parts, attempted);

  /** Stores the job before it begins, so that no crash loses it; if the store is away it begins unstored (R12). */
  const bestEffort = (state: JobState, workflow: StoredWorkflow | undefined): Observable<boolean> =>
    writer.write(state, workflow).pipe(
      map(() => true),
      reporting('store', report),
      catchError(() => of(false)),
    );

  /** Emits only if this call is the first to store the state. Tries again while the store does not answer. */
  const untilStored = (state: JobState, workflow: StoredWorkflow | undefined): Observable<boolean> =>
    writer.write(state, workflow).pipe(
      reporting('store', report),
      reconnecting({ backoff, clock, isTransient }),
      concatMap((outcome) => (outcome === 'stored' ? of(true) : EMPTY)),
    );

  return {
    begin: ({ userId, bytes, stateOf, workflow, first }, as) =>
      admitted(userId, bytes, async (counted) => {
        const now = clock.now();
        const state = stateOf(as ?? { promptId: randomUUID(), at: now }, now);
        const { promptId } = state;
        if (as !== undefined && transit.has(promptId)) return (await reads.present(promptId)) ?? state;
        const stored$ = as === undefined ? bestEffort(state, workflow) : untilStored(state, workflow);
        // Once stored, the job is in the store's count of the user's jobs: no longer counted here.
        const begun$ = stored$.pipe(
          tap(counted),
          concatMap((isStored) => first(state, isStored)),
        );
        await run(begun$.pipe(untilOpened(promptId, transit)));
        return (await reads.present(promptId)) ?? state;
      }),
    once: idempotentSubmit({ store, get: (promptId) => reads.get(promptId), keys, clock, attempted }),
  };
}

/** Counts a job as being on its way until the board has it. */
const untilOpened =
  (promptId: string, transit: Transit) =>
  (event$: Observable<BoardEvent>): Observable<BoardEvent> =>
    defer(() => {
      let inside = true;
      transit.enter(promptId);
      const arrived = (): void => {
        if (inside) transit.leave(promptId);
        inside = false;
      };
      return event$.pipe(
        concatMap((event, n) => (n === 0 ? from([event]).pipe(tap({ complete: arrived })) : of(event))),
        tap({ finalize: arrived }),
      );
    });

/** Lets a user submit within the limits; jobs that are being submitted at the moment, and their bytes, count too. */
function perUser(
  { store, board, limits }: Pick<BeginningParts, 'store' | 'board' | 'limits'>,
  attempted: <T>(work$: Observable<T>) => Observable<T>,
) {
  const submitting = new Map<string, Usage>();
  const underWay = (userId: string): Usage => submitting.get(userId) ?? { jobs: 0, bytes: 0 };
  const count = (userId: string, jobs: 1 | -1, bytes: number): void => {
    const before = underWay(userId);
    const after = { jobs: before.jobs + jobs, bytes: before.bytes + jobs * bytes };
    if (after.jobs === 0) submitting.delete(userId);
    else submitting.set(userId, after);
  };
  return async (
    userId: string,
    bytes: number,
    submit: (counted: () => void) => Promise<JobState>,
  ): Promise<JobState> => {
    const before = underWay(userId);
    count(userId, 1, bytes);
    let counts = true;
    const counted = (): void => {
      if (counts) count(userId, -1, bytes);
      counts = false;
    };
    try {
      const here = { jobs: board.countOfUser(userId), bytes: 0 };
      const usage = await lastValueFrom(attempted(store.usage(userId)), { defaultValue: here });
      if (usage.jobs + before.jobs >= limits.jobs) throw new TooManyJobs('unsettled jobs', limits.jobs);
      if (board.nodesOfUser(userId) >= limits.nodes)
        throw new TooManyJobs('nodes in the workflows of unsettled jobs', limits.nodes);
      const others = usage.bytes + before.bytes;
      // A user's only workflow may exceed the limit: it is as large as a request's body may be.
      if (others > 0 && others + bytes > limits.bytes) throw new TooManyJobs('bytes of stored workflows', limits.bytes);
      return await submit(counted);
    } finally {
      counted();
    }
  };
}
