import { isThere, type Job } from '../../job/job';
import { lookedUpBy, usualMs } from '../../job/advance/next-look';
import type { QueueEvent } from '../../job/job-event';
import type { Timing } from '../../job/timing';
import type { JobIndex } from '../job-index';
import { ServerQueue } from './server-queue';
import { getOrInsert } from '../../maps/remember';

type Index = Pick<JobIndex, 'countOf' | 'due' | 'ofServer' | 'put'>;

/** The queues of all servers. */
export class ServerQueues {
  readonly #queues = new Map<string, ServerQueue>();
  /** When each server's jobs were last asked for, ms since 1970. */
  readonly #askedAt = new Map<string, number>();
  readonly #index: Index;
  readonly #timing: Timing;

  constructor(index: Index, timing: Timing) {
    this.#index = index;
    this.#timing = timing;
  }

  of(serverUrl: string): ServerQueue {
    const made = (): ServerQueue => new ServerQueue(this.#timing, () => this.#index.ofServer(serverUrl));
    return getOrInsert(this.#queues, serverUrl, made);
  }

  /** How many jobs the server's queue held by its last `status`. */
  remaining(serverUrl: string): number | undefined {
    return this.#queues.get(serverUrl)?.remaining;
  }

  /** Takes in a `status`. Returns whether it tells that a run has ended. */
  told(event: QueueEvent): boolean {
    return this.of(event.serverUrl).told(event, this.#index.countOf(event.serverUrl));
  }

  /** All waiting jobs whose places changed, with their new places. */
  moved(at: number): readonly Job[] {
    return [...this.#queues.values()].flatMap((queue) => queue.moved(at));
  }

  /**
   * The server's jobs to look up now: those that are due, those that its queue's move concerns, and those that come
   * along. Side effects: a look for a move of the queue counts as made; after the clock was set back all jobs are due.
   */
  due(serverUrl: string, now: number): readonly Job[] {
    const queue = this.#queues.get(serverUrl);
    if (now < (this.#askedAt.get(serverUrl) ?? 0) - SET_BACK_MS) {
      queue?.clockSetBack(now);
      for (const job of this.#index.ofServer(serverUrl)) this.#index.put(lookedUpBy(job, now));
    }
    this.#askedAt.set(serverUrl, now);
    const planned = this.#index.due(serverUrl, now);
    const moved = (planned.some(asksForQueue) ? queue?.along(planned, now) : queue?.due(now)) ?? [];
    const due = [...planned, ...moved];
    if (due.length === 0) return [];
    const along = this.#index
      .due(serverUrl, now + alongMs(this.#timing))
      .filter((job) => comesAlong(job, now, this.#timing));
    return [...new Set([...due, ...along])];
  }
}

/** A job whose outputs are fetched is looked for in history only. */
const asksForQueue = ({ stage }: Job): boolean => stage.tag !== 'fetchingOutputs';

/**
 * One request for the queue answers for all jobs: those due within half their interval come along, to save requests (R8).
 */
const comesAlong = (job: Job, now: number, timing: Timing): boolean =>
  isThere(job) && job.stage.nextLookAt <= now + usualMs(job, timing) / 2;
/** A clock that was set back by more than this has all looks made at once: they were planned by the time before. */
const SET_BACK_MS = 1_000;
const alongMs = ({ maxAuditMs, pollMs }: Timing): number => Math.max(maxAuditMs, pollMs) / 2;
