import { isAtServer, type Job } from '../job/job';
import type { QueueEvent } from '../job/job-event';
import type { Timing } from '../job/timing';
import type { JobIndex } from './job-index';

/** The look after a look at a queue waits for twice `soonMs`, and so much for each of our jobs there: an answer holds them all. */
const PER_JOB_MS = 5;

/** What a server last said of its queue, and when a look at it is due because that changed. */
interface QueueLength {
  readonly remaining: number;
  readonly lookAt: number;
  readonly notBefore: number;
}

/** How long the servers say their queues are. */
export class QueueLengths {
  readonly #queues = new Map<string, QueueLength>();
  readonly #index: Pick<JobIndex, 'countOf' | 'due' | 'ofServer'>;
  readonly #timing: Timing;

  constructor(index: Pick<JobIndex, 'countOf' | 'due' | 'ofServer'>, timing: Timing) {
    this.#index = index;
    this.#timing = timing;
  }

  /** How many jobs the server last said it has in hand. */
  remaining(serverUrl: string): number | undefined {
    return this.#queues.get(serverUrl)?.remaining;
  }

  /** A `status` came. A queue that moved may have moved our jobs, or ended one that no frame tells of. */
  told({ serverUrl, remaining, at }: QueueEvent): void {
    const before = this.#queues.get(serverUrl);
    const { lookAt = Number.POSITIVE_INFINITY, notBefore = 0 } = before ?? {};
    const moved = before !== undefined && before.remaining !== remaining;
    const isNews = moved || remaining < this.#index.countOf(serverUrl);
    const soon = isNews ? Math.max(at + this.#timing.soonMs, notBefore) : Number.POSITIVE_INFINITY;
    this.#queues.set(serverUrl, { remaining, lookAt: Math.min(lookAt, soon), notBefore });
  }

  /** The server's queue is to be looked at soon after `at`. */
  lookSoon(serverUrl: string, at: number): void {
    const queue = this.#queues.get(serverUrl);
    if (queue !== undefined)
      this.#queues.set(serverUrl, { ...queue, lookAt: Math.min(queue.lookAt, at + this.#timing.soonMs) });
  }

  /** The server's jobs that are to be looked up now: those that are due, those its queue's new length is about, and whoever comes along. Asking counts as looking. */
  due(serverUrl: string, now: number): readonly Job[] {
    const newLength = this.#lookedAt(serverUrl, now);
    const asked = newLength === undefined ? [] : concerned(this.#index.ofServer(serverUrl), newLength);
    const due = [...this.#index.due(serverUrl, now), ...asked];
    if (due.length === 0) return [];
    const along = this.#index
      .due(serverUrl, now + alongMs(this.#timing))
      .filter((job) => comesAlong(job, now, this.#timing));
    return [...new Set([...due, ...along])];
  }

  /** The queue's length, where a look at it is due: the next one then waits for its turn. */
  #lookedAt(serverUrl: string, now: number): number | undefined {
    const queue = this.#queues.get(serverUrl);
    if (queue === undefined || queue.lookAt > now) return undefined;
    const notBefore = now + 2 * this.#timing.soonMs + this.#index.countOf(serverUrl) * PER_JOB_MS;
    this.#queues.set(serverUrl, { ...queue, lookAt: Number.POSITIVE_INFINITY, notBefore });
    return queue.remaining;
  }
}

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

/** The queue tells of all jobs at once: one that would be looked up within half an interval comes along, or each had its own request (R8). */
const comesAlong = ({ linked, stage }: Job, now: number, { auditMs, pollMs }: Timing): boolean =>
  stage.tag === 'watched' && stage.absences.count === 0 && stage.lookAt <= now + (linked ? auditMs : pollMs) / 2;
const alongMs = ({ auditMs, pollMs }: Timing): number => Math.max(auditMs, pollMs) / 2;
