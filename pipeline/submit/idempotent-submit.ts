import { randomUUID } from 'node:crypto';
import { firstValueFrom, lastValueFrom, type SchedulerLike } from 'rxjs';
import { KeyReused, KeySpent, type SubmitOnce } from '../api';
import { STATE_TTL_S, type JobStore } from '../../sinks/job-store';
import type { StoreSight } from '../reads/store-sight';
import type { RememberedKeys } from './remembered-keys';
import { decodeReservation, type Reservation } from './reservation.codec';
import type { JobState } from '../../streams/job/job-state';
import type { Attempted } from '../../streams/operators/reporting';

/**
 * For 7,000 s after a key's first use, "no state stored" proves that the job was never stored: a state lives 7,200 s.
 * 200 s allow for clocks that differ.
 */
const CERTAIN_MS = (STATE_TTL_S - 200) * 1000;

export interface OnceParts {
  readonly store: JobStore;
  readonly get: (promptId: string) => Promise<JobState | undefined>;
  /** The reservations of jobs that live here, in case the store has lost them. */
  readonly keys: Pick<RememberedKeys, 'of' | 'note'>;
  readonly sight: Pick<StoreSight, 'caughtUp'>;
  readonly clock: SchedulerLike;
  readonly attempted: Attempted;
}

/** The id and start time of the job: the same for every caller of one key, so that only one first state is stored. */
export type Identity = Pick<Reservation, 'promptId' | 'at'>;

/**
 * Submits under a caller's key: any number of calls with one key, at any instances, make one job. The key is reserved
 * with the job's id before anything else. `submit` must be safe to repeat under one identity; calls that come while it
 * runs share it. Rejects with `KeyReused` or `KeySpent`, or with `StoreUnavailable` if the key cannot be read.
 */
export function idempotentSubmit({ store, get, keys, sight, clock, attempted }: OnceParts) {
  const underWay = new Map<string, Promise<JobState>>();

  async function reserved({ key, body }: SubmitOnce): Promise<Reservation> {
    // A store that came back empty lacks, for some seconds, the key of a job that another instance has.
    if (keys.of(key) === undefined) await lastValueFrom(sight.caughtUp(), { defaultValue: undefined });
    const wanted: Reservation = keys.of(key) ?? { promptId: randomUUID(), at: clock.now(), body };
    const held = decodeReservation(await firstValueFrom(store.reserve(key, JSON.stringify(wanted))));
    if (held?.body !== body) throw new KeyReused('the key stands for another request');
    keys.note(key, held);
    return held;
  }

  async function submitted(
    key: string,
    held: Reservation,
    submit: (as: Identity) => Promise<JobState>,
  ): Promise<JobState> {
    const present = await get(held.promptId);
    if (present !== undefined) return present;
    if (held.job !== undefined) return held.job;
    if (clock.now() - held.at > CERTAIN_MS) throw new KeySpent('what became of the key’s job is not known any more');
    const job = await submit(held);
    // The state expires before the key does: the key keeps the job for later callers.
    attempted(store.amend(key, JSON.stringify({ ...held, job }))).subscribe();
    return job;
  }

  return async (once: SubmitOnce, submit: (as: Identity) => Promise<JobState>): Promise<JobState> => {
    const held = await reserved(once);
    const job =
      underWay.get(held.promptId) ?? submitted(once.key, held, submit).finally(() => underWay.delete(held.promptId));
    underWay.set(held.promptId, job);
    return job;
  };
}
