import { defer, EMPTY, ignoreElements, type Observable } from 'rxjs';
import type { Env } from '../env';
import type { Reservation } from './reservation.codec';
import type { Transit } from '../sessions/transit';
import type { JobStore } from '../../sinks/job-store';
import type { BoardView } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import type { JobState } from '../../streams/job/job-state';
import { orNothing, reporting } from '../../streams/operators/reporting';
import { remember } from '../../streams/maps/remember';

export interface RememberedKeysParts {
  readonly board: Pick<BoardView, 'job'>;
  readonly transit: Pick<Transit, 'has'>;
  readonly store: Pick<JobStore, 'reserve'>;
}

/**
 * The callers' keys of jobs that live here, 10,000 at most (`bounds.keys`): a store that comes back empty lacks them.
 */
export class RememberedKeys {
  readonly #parts: RememberedKeysParts;
  readonly #env: Pick<Env, 'report'>;
  readonly #byKey = new Map<string, Reservation>();
  readonly #keyOf = new Map<string, string>();

  constructor(parts: RememberedKeysParts, env: Pick<Env, 'report'>) {
    this.#parts = parts;
    this.#env = env;
  }

  /** Notes the reservation of a key. */
  note(key: string, { promptId, at, body }: Reservation): void {
    this.forget(this.#byKey.get(key)?.promptId ?? promptId);
    this.#byKey.set(key, { promptId, at, body });
    const dropped = remember(this.#keyOf, promptId, key, bounds.keys);
    if (dropped !== undefined) this.#byKey.delete(dropped[1]);
  }

  /** The reservation of a key while its job is on the board or on its way there. */
  of(key: string): Reservation | undefined {
    const { board, transit } = this.#parts;
    const held = this.#byKey.get(key);
    const lives = held !== undefined && (board.job(held.promptId) !== undefined || transit.has(held.promptId));
    return lives ? held : undefined;
  }

  /** Call when a job has ended, or another instance has it. */
  forget(promptId: string): void {
    const key = this.#keyOf.get(promptId);
    this.#keyOf.delete(promptId);
    if (key !== undefined) this.#byKey.delete(key);
  }

  /**
   * Reserves a job's key again, if it has one, with the job as it is: the key outlives the job's state and then tells
   * of it.
   */
  renewed(job: JobState): Observable<never> {
    const { store } = this.#parts;
    const { report } = this.#env;
    return defer(() => {
      const key = this.#keyOf.get(job.promptId);
      const held = key === undefined ? undefined : this.#byKey.get(key);
      return key === undefined || held === undefined ? EMPTY : store.reserve(key, JSON.stringify({ ...held, job }));
    }).pipe(ignoreElements(), reporting('store', report), orNothing);
  }
}
