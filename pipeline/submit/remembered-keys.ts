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

/** The callers' keys of the jobs that live here, `bounds.keys` at most: a store that comes back empty knows them no more. */
export class RememberedKeys {
  readonly #parts: RememberedKeysParts;
  readonly #env: Pick<Env, 'report'>;
  readonly #byKey = new Map<string, Reservation>();
  readonly #keyOf = new Map<string, string>();

  constructor(parts: RememberedKeysParts, env: Pick<Env, 'report'>) {
    this.#parts = parts;
    this.#env = env;
  }

  /** A key stands for a job, which may live here. */
  note(key: string, { promptId, at, body }: Reservation): void {
    this.forget(this.#byKey.get(key)?.promptId ?? promptId);
    this.#byKey.set(key, { promptId, at, body });
    const dropped = remember(this.#keyOf, promptId, key, bounds.keys);
    if (dropped !== undefined) this.#byKey.delete(dropped[1]);
  }

  /** What a key stands for, while its job lives here or is on its way. */
  of(key: string): Reservation | undefined {
    const { board, transit } = this.#parts;
    const held = this.#byKey.get(key);
    const lives = held !== undefined && (board.job(held.promptId) !== undefined || transit.has(held.promptId));
    return lives ? held : undefined;
  }

  /** A job has ended, or is another instance's. */
  forget(promptId: string): void {
    const key = this.#keyOf.get(promptId);
    this.#keyOf.delete(promptId);
    if (key !== undefined) this.#byKey.delete(key);
  }

  /** Reserves the key of a job again, if it has one, with the job as it is: once its state has expired, the key tells of it. */
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
