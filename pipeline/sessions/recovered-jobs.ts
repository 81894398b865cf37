import { ReplaySubject, mergeMap, tap, type Observable } from 'rxjs';
import type { JobState } from '../../streams/job/job-state';
import type { Demand, StoredJob } from '../demand';
import { takingOver } from '../telemetry/taking-over';
import type { Telemetry } from '../telemetry/telemetry-event';
import type { Recovery } from './recovery';

/** How many batches of recovered jobs a late subscriber gets. */
const BATCHES = 16;

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
