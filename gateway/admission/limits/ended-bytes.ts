import { filter, takeUntil, type Observable } from 'rxjs';
import { RESERVED_S, STATE_TTL_S } from '../../../sinks/job-store';
import { bounds } from '../../../streams/bounds';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { remember } from '../../../streams/maps/remember';
import { Problem } from '../../wire/problem';
import type { Viewer } from '../auth/auth';
import { meter } from './rate-limits';

/** What users' ended jobs leave in the store, which keeps each state for two hours. */
export interface EndedBytes {
  /** Rejects with a `Problem` (429) while a user's jobs have left too much. Call it before a job is taken. */
  readonly check: (viewer: Viewer) => Promise<void>;
  /**
   * Counts a user's job that was submitted under an `Idempotency-Key`, which keeps it for a day: twelve times its bytes,
   * once however often the request is repeated.
   */
  readonly keptByKey: (viewer: Viewer, job: JobState) => void;
}

/**
 * Counts, until `closing$` emits, the bytes of the states in which jobs end here, by user; 0 for no bound. What jobs may
 * leave is not bounded by how many are under way: a workflow that ComfyUI refuses ends at once, and leaves its metadata
 * and the refusal, 100 KB together. One user filled a Redis of 768 MB in minutes, and then nobody's job was stored.
 */
export function endedBytes(most: number, state$: Observable<JobState>, closing$: Observable<unknown>): EndedBytes {
  const left = meter(most, STATE_TTL_S);
  /** The last jobs that were counted for their keys, 10,000 at most (`bounds.keys`). */
  const kept = new Map<string, true>();
  const count = (userId: string, job: JobState, times = 1): void =>
    void left.take(userId, Buffer.byteLength(JSON.stringify(job)) * times);
  if (most > 0)
    state$
      .pipe(
        filter((state) => isSettled(state)),
        takeUntil(closing$),
      )
      .subscribe((state) => count(state.userId, state));
  return {
    keptByKey: ({ role, userId }, job) => {
      if (role === 'service' || most === 0) return;
      const { promptId } = job;
      if (!kept.has(promptId)) count(userId, job, RESERVED_S / STATE_TTL_S);
      remember(kept, promptId, true, bounds.keys);
    },
    check: async ({ role, userId }) => {
      if (role === 'service') return;
      const { granted, inMs } = await left.take(userId, 0);
      if (granted) return;
      const detail = `What a user’s ended jobs leave is kept for two hours, and may have ${most} bytes.`;
      throw new Problem('too-many-requests', { detail }, { 'Retry-After': String(Math.ceil(inMs / 1000)) });
    },
  };
}
