import { defer, EMPTY, ignoreElements, type Observable } from 'rxjs';
import type { Env } from '../env';
import type { Reservation } from './reservation.codec';
import type { Transit } from '../sessions/transit';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import type { JobState } from '../../streams/job/job-state';
import { skippingErrors } from '../../streams/operators/reporting';
import { remember } from '../../streams/maps/remember';

export interface RememberedKeysParts {
  readonly board: Pick<BoardView, 'job'>;
  readonly transit: Pick<Transit, 'has'>;
  readonly store: Pick<JobStore, 'reserve'>;
  readonly writer: Pick<WriteBehind, 'waiting'> & { readonly ends: Pick<WriteBehind['ends'], 'of'> };
}

/**
 * The callers' keys of jobs that live here, 10,000 at most (`bounds.keys`), and of the last that ended here, 1,000 at
 * most (`bounds.keptEnds`): a store that comes back empty lacks them.
 */
export class RememberedKeys {
  readonly #parts: RememberedKeysParts;
  readonly #env: Pick<Env, 'report'>;
  readonly #byKey = new Map<string, Reservation>();
  /** By `promptId`: of a job that lives here. */
  readonly #keyOf = new Map<string, string>();
  /** By `promptId`: of a job that has ended here. Apart, so that a thousand short jobs push out no long one's. */
  readonly #keyOfEnded = new Map<string, string>();

  constructor(parts: RememberedKeysParts, env: Pick<Env, 'report'>) {
    this.#parts = parts;
    this.#env = env;
  }

  /** Notes the reservation of a key. */
  note(key: string, { promptId, at, body }: Reservation): void {
    const before = this.#byKey.get(key)?.promptId;
    if (before === promptId) return;
    this.forget(before ?? promptId);
    this.#byKey.set(key, { promptId, at, body });
    const dropped = remember(this.#keyOf, promptId, key, bounds.keys);
    if (dropped !== undefined) this.#byKey.delete(dropped[1]);
  }

  /** The reservation of a key while its job is on the board or on its way there; with its end while that is kept. */
  of(key: string): Reservation | undefined {
    const { board, transit } = this.#parts;
    const held = this.#byKey.get(key);
    if (held === undefined || board.job(held.promptId) !== undefined || transit.has(held.promptId)) return held;
    const job = this.#endOf(held.promptId);
    return job && { ...held, job };
  }

  /** Call when a job has ended here. */
  end(promptId: string): void {
    const key = this.#keyOf.get(promptId);
    if (key === undefined) return;
    this.#keyOf.delete(promptId);
    const dropped = remember(this.#keyOfEnded, promptId, key, bounds.keptEnds);
    if (dropped !== undefined) this.#byKey.delete(dropped[1]);
  }

  /** The ends of jobs with a key that the store may have lost. */
  ended(): readonly JobState[] {
    return [...this.#keyOfEnded.keys()].flatMap((promptId) => this.#endOf(promptId) ?? []);
  }

  /** Call when another instance has a job. */
  forget(promptId: string): void {
    const key = this.#keyOf.get(promptId) ?? this.#keyOfEnded.get(promptId);
    this.#keyOf.delete(promptId);
    this.#keyOfEnded.delete(promptId);
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
      const key = this.#keyOf.get(job.promptId) ?? this.#keyOfEnded.get(job.promptId);
      const held = key === undefined ? undefined : this.#byKey.get(key);
      return key === undefined || held === undefined ? EMPTY : store.reserve(key, JSON.stringify({ ...held, job }));
    }).pipe(ignoreElements(), skippingErrors('store', report));
  }

  /** A job's settled state that waits to be written, or is kept to be written again. */
  #endOf(promptId: string): JobState | undefined {
    const { writer } = this.#parts;
    return writer.ends.of(promptId) ?? writer.waiting(promptId);
  }
}
