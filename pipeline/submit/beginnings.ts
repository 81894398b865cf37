import { randomUUID } from 'node:crypto';
import { EMPTY, catchError, concatMap, defer, from, map, of, tap, type Observable } from 'rxjs';
import type { SubmitOnce } from '../api';
import { isTransient, type Env } from '../env';
import { idempotentSubmit, type Identity } from './idempotent-submit';
import type { RememberedKeys } from './remembered-keys';
import { withinLimits, type Beginning, type UserLimits } from './user-limits';
import type { Reads } from '../reads/reads';
import type { StoreSight } from '../reads/store-sight';
import type { Transit } from '../sessions/transit';
import type { JobStore } from '../../sinks/job-store';
import type { StoredWorkflow } from '../../sinks/codecs/stored-workflow.codec';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import type { JobState } from '../../streams/job/job-state';
import { reconnecting } from '../../streams/operators/reconnecting';
import { reporting, skippingErrors } from '../../streams/operators/reporting';

export interface BeginningParts {
  readonly board: BoardView;
  readonly reads: Pick<Reads, 'get' | 'present'>;
  readonly transit: Transit;
  readonly store: JobStore;
  readonly writer: Pick<WriteBehind, 'write'>;
  readonly keys: Pick<RememberedKeys, 'of' | 'note'>;
  readonly limits: UserLimits;
  readonly sight: Pick<StoreSight, 'caughtUp'>;
  /** See `Life.run`. */
  readonly run: (command$: Observable<BoardEvent>) => Promise<void>;
}

/** A job that is to begin. */
export interface NewJob extends Pick<Beginning, 'bytes' | 'nodes'> {
  readonly userId: string;
  /**
   * The job's first state. `now` is when it begins: under a caller's key that may be long after the key's first use.
   */
  readonly stateOf: (as: Identity, now: number) => JobState;
  readonly workflow?: StoredWorkflow;
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
  const { reads, transit, store, writer, keys, sight, run } = parts;
  const { clock, report, backoff } = env;
  const attempted = skippingErrors('store', report);
  const admitted = withinLimits({ ...parts, attempted });

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
    begin: async ({ userId, bytes, nodes, stateOf, workflow, first }, as) => {
      const promptId = as?.promptId ?? randomUUID();
      const over = await admitted({ promptId, userId, bytes, nodes });
      try {
        const now = clock.now();
        const state = stateOf(as ?? { promptId, at: now }, now);
        if (as !== undefined && transit.has(promptId)) {
          over();
          return (await reads.present(promptId)) ?? state;
        }
        const stored$ = as === undefined ? bestEffort(state, workflow) : untilStored(state, workflow);
        const begun$ = stored$.pipe(concatMap((isStored) => first(state, isStored)));
        await run(begun$.pipe(untilOpened(promptId, transit, over)));
        return (await reads.present(promptId)) ?? state;
      } catch (error) {
        over();
        throw error;
      }
    },
    once: idempotentSubmit({ store, get: (promptId) => reads.get(promptId), keys, sight, clock, attempted }),
  };
}

/** Counts a job as being on its way until the board has it; then, or if it does not begin, calls `over`. */
const untilOpened =
  (promptId: string, transit: Transit, over: () => void) =>
  (event$: Observable<BoardEvent>): Observable<BoardEvent> =>
    defer(() => {
      let inside = true;
      transit.enter(promptId);
      const arrived = (): void => {
        if (inside) transit.leave(promptId);
        inside = false;
        over();
      };
      return event$.pipe(
        concatMap((event, n) => (n === 0 ? from([event]).pipe(tap({ complete: arrived })) : of(event))),
        tap({ finalize: arrived }),
      );
    });
