import type { Job } from '../job/job';
import type { Timing } from '../job/timing';

/** A look at a queue is followed by the next at the earliest so much later for each job there: an answer holds them all. */
const PER_JOB_MS = 5;

/** What a server last said of its queue, and when a look at it is due because that changed. */
export interface QueueLength {
  readonly remaining: number;
  readonly lookAt: number;
  readonly notBefore: number;
}

/** The queue after a `status`: one that moved may have moved our jobs, or ended one that no frame tells of. */
export function toldLength(
  before: QueueLength | undefined,
  { remaining, at }: { readonly remaining: number; readonly at: number },
  ours: number,
  { soonMs }: Timing,
): QueueLength {
  const { lookAt = Number.POSITIVE_INFINITY, notBefore = 0 } = before ?? {};
  const moved = before !== undefined && before.remaining !== remaining;
  if (!moved && remaining >= ours) return { remaining, lookAt, notBefore };
  return { remaining, lookAt: Math.min(lookAt, Math.max(at + soonMs, notBefore)), notBefore };
}

/** The queue as it is looked at. */
export const lookedAt = (queue: QueueLength, now: number, ours: number, { soonMs }: Timing): QueueLength => ({
  ...queue,
  lookAt: Number.POSITIVE_INFINITY,
  notBefore: now + soonMs + ours * PER_JOB_MS,
});

/**
 * The jobs about which the queue's new length may say something: those that wait or have no socket; all of them where
 * the queue is shorter than our jobs in it.
 */
export function concerned(ours: readonly Job[], remaining: number): readonly Job[] {
  const accepted = ours.filter((job) => job.accepted);
  const tooShort = remaining < accepted.length;
  return accepted.filter(
    ({ state, linked, cancelAsked, absences }) =>
      // One that was not found already is looked for in its own time (R4), however many more such news come.
      (cancelAsked || absences.count === 0) && (tooShort || cancelAsked || !linked || state.status === 'queued'),
  );
}

/** A waiting job has at most all others before it. */
export function withQueueBound(job: Job, remaining: number, at: number): Job {
  const { status, queuePosition: before = Number.POSITIVE_INFINITY } = job.state;
  const queuePosition = Math.max(0, Math.min(before, remaining - 1));
  if (status !== 'queued' || queuePosition === before) return job;
  return {
    ...job,
    state: { ...job.state, queuePosition, updatedAt: Math.max(at, job.state.updatedAt), seq: job.state.seq + 1 },
  };
}
