import {
  ReplaySubject,
  catchError,
  concat,
  filter,
  from,
  ignoreElements,
  map,
  mergeMap,
  of,
  tap,
  type Observable,
} from 'rxjs';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { JobState } from '../../streams/job/job-state';
import type { Demand, StoredJob } from '../demand';
import { takingOver } from '../telemetry/taking-over';
import type { Telemetry } from '../telemetry/telemetry-event';
import type { Recovery } from './recovery';

/** How many batches of recovered jobs a late subscriber gets. */
const BATCHES = 16;
/**
 * For how long after a lease was last held a job of it that the store lacks was lost by the store, ms: its state would
 * live for two hours, and its end for two more.
 */
const SURELY_LOST_MS = 3_600_000;
/** States of jobs let go that are looked for at a time. */
const LOOKS = 64;

/** Takes up stored jobs, and notes the sessions whose stored jobs have all been loaded. */
export class RecoveredJobs {
  /** The jobs of each look that were taken up; repeats the last `BATCHES` batches to late subscribers. */
  readonly batch$: Observable<readonly JobState[]>;
  readonly #batch$ = new ReplaySubject<readonly JobState[]>(BATCHES);
  readonly #looks: Recovery;
  readonly #isHeld: (clientId: string) => boolean;
  /**
   * Inherited sessions all of whose stored jobs have been loaded. Only for these does "no job on the board" mean "no
   * job left".
   */
  readonly #loaded = new Set<string>();
  readonly #tell: Telemetry | undefined;

  constructor(looks: Recovery, isHeld: (clientId: string) => boolean, tell?: Telemetry) {
    this.#looks = looks;
    this.#isHeld = isHeld;
    this.#tell = tell;
    this.batch$ = this.#batch$.asObservable();
  }

  /** Takes up each stored job of the sessions held here that is not watched yet. */
  ofAll(): Observable<Demand> {
    return this.#takenUp([], this.#looks.ofAll());
  }

  /** Takes up the jobs of these sessions, which this instance has just inherited. */
  of(clientIds: readonly string[]): Observable<Demand> {
    return this.#takenUp(clientIds, this.#looks.of(clientIds).pipe(takingOver(clientIds.length, this.#tell)));
  }

  isLoaded(clientId: string): boolean {
    return this.#loaded.has(clientId);
  }

  forget(clientId: string): void {
    this.#loaded.delete(clientId);
  }

  #takenUp(clientIds: readonly string[], look$: Observable<readonly StoredJob[]>): Observable<Demand> {
    return look$.pipe(
      tap((jobs) => {
        for (const clientId of clientIds) if (this.#isHeld(clientId)) this.#loaded.add(clientId);
        if (jobs.length > 0) this.#batch$.next(jobs.map(({ state }) => state));
      }),
      mergeMap((jobs) => jobs.map((job): Demand => ({ tag: 'takeUp', job }))),
    );
  }
}

/**
 * Lets jobs go whose session another instance took, `heldMsAgo` after it was last held here. Those that it has not
 * claimed are written again, with their workflows: a failover loses leases and states together, and nobody else has them.
 */
export function lettingGo(
  jobs: readonly { readonly state: JobState }[],
  heldMsAgo: number,
  { store, writer }: { readonly store: Pick<JobStore, 'get'>; readonly writer: Pick<WriteBehind, 'rescue'> },
): Observable<Demand> {
  const demand$ = from(jobs).pipe(map(({ state: { promptId } }): Demand => ({ tag: 'letGo', promptId })));
  if (heldMsAgo < 0 || heldMsAgo > SURELY_LOST_MS) return demand$;
  const rescued$ = from(jobs).pipe(
    mergeMap(({ state }) => {
      const stored$ = store.get(state.promptId).pipe(catchError(() => of(undefined)));
      return stored$.pipe(
        filter((stored) => stored === undefined || stored.epoch <= state.epoch),
        tap(() => writer.rescue(state)),
      );
    }, LOOKS),
    ignoreElements(),
  );
  return concat(demand$, rescued$);
}
