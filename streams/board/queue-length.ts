import { isAtServer, type Job } from '../job/job';
import type { Timing } from '../job/timing';
import type { JobIndex } from './job-index';

/** The look after a look at a queue waits for twice `soonMs`, and so much for each of our jobs there: an answer holds them all. */
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
  notBefore: now + 2 * soonMs + ours * PER_JOB_MS,
});

/**
 * The jobs about which the queue's new length may say something: those that wait or have no socket; all of them where
 * the queue is shorter than our jobs in it.
 */
function concerned(ours: readonly Job[], remaining: number): readonly Job[] {
  const accepted = ours.filter(isAtServer);
  const tooShort = remaining < accepted.length;
  return accepted.filter(
    ({ state, linked, stage: { cancelAsked, absences } }) =>
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

/** The server's jobs that are to be looked up now: those that are due, those its queue's new length is about, and whoever comes along. */
export function dueAt(
  index: Pick<JobIndex, 'due' | 'ofServer'>,
  serverUrl: string,
  newLength: number | undefined,
  now: number,
  timing: Timing,
): readonly Job[] {
  const asked = newLength === undefined ? [] : concerned(index.ofServer(serverUrl), newLength);
  const due = [...index.due(serverUrl, now), ...asked];
  if (due.length === 0) return [];
  const along = index.due(serverUrl, now + alongMs(timing)).filter((job) => comesAlong(job, now, timing));
  return [...new Set([...due, ...along])];
}

/** The queue tells of all jobs at once: one that would be looked up within half an interval comes along, or each had its own request (R8). */
const comesAlong = ({ linked, stage }: Job, now: number, { auditMs, pollMs }: Timing): boolean =>
  stage.tag === 'watched' && stage.absences.count === 0 && stage.lookAt <= now + (linked ? auditMs : pollMs) / 2;
const alongMs = ({ auditMs, pollMs }: Timing): number => Math.max(auditMs, pollMs) / 2;
