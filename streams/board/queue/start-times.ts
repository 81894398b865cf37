import type { QueueEvent, QueueSeen } from '../../job/job-event';
import type { Job } from '../../job/job';
import type { Durations } from '../../job/progress/plan/expected';
import type { RunClock } from '../../job/progress/run-clock';
import type { Report } from '../../operators/reporting';
import { Strangers } from './line/strangers';
import { ServerStarts, type Jobs } from './start/server-starts';
import { isDue, withStart } from './start/told-start';
import { getOrInsert } from '../../maps/remember';

interface Parts {
  readonly jobs: Jobs;
  /** How long nodes took on a server. */
  readonly durationsOn: (serverUrl: string) => Durations;
  readonly report: Report;
}

/**
 * A server with more than 32 jobs of ours is gone through every fifth second only, and `TOLD_AT_ONCE` of its jobs get a
 * new start then at most. The servers take turns.
 */
const FEW_JOBS = 32;
const TURNS = 5;
const TOLD_AT_ONCE = 500;

/**
 * When waiting jobs will start, by how long those before them are expected to take. An error of our own code here is
 * reported, and fails no job (R15).
 */
export class StartTimes {
  readonly #servers = new Map<string, ServerStarts>();
  readonly #strangers = new Strangers();
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Takes in a server's news of its queue; `isEnd`: they are a `status` that tells that a run has ended. */
  told(event: QueueEvent | QueueSeen, isEnd = false): void {
    this.#guarded(() => {
      const starts = this.#of(event.serverUrl);
      if (event.tag === 'queueSeen') starts.looked(event, this.#strangers);
      else starts.told(event, isEnd, this.#strangers);
    }, undefined);
  }

  /** ComfyUI took a job of ours. */
  accepted(job: Job, at: number, isOutOfTurn: boolean): void {
    this.#of(job.state.serverUrl).accepted(job, at, isOutOfTurn);
  }

  /** A job of ours left the queue; `run` is its run if that was seen from its start to its good end. */
  ended(job: Job, run: RunClock | undefined, at: number): void {
    this.#guarded(() => {
      const starts = this.#of(job.state.serverUrl);
      if (run !== undefined) starts.took(job, run, at);
      starts.ended(job, at);
    }, undefined);
  }

  /** A waiting job with the time to its start; `known` is the job before the event. */
  started(job: Job, known: Job, at: number): Job {
    if (job.state.status !== 'queued') return job;
    const startsIn = this.#guarded(() => this.#of(job.state.serverUrl).startsIn(job, at), undefined);
    return withStart(startsIn, job, known, at);
  }

  /** The waiting jobs whose starts differ from those last told, with the new ones. Call each second. */
  renewed(at: number): readonly Job[] {
    const second = Math.floor(at / 1_000);
    return [...this.#servers.keys()].flatMap((serverUrl, n) => {
      const count = this.#parts.jobs.countOf(serverUrl);
      if (count === 0 || (count > FEW_JOBS && (second + n) % TURNS !== 0)) return [];
      const renewed: Job[] = [];
      for (const job of this.#parts.jobs.ofServer(serverUrl)) {
        const next = isDue(job, at) ? this.started(job, job, at) : job;
        if (next !== job) renewed.push(next);
        if (renewed.length >= TOLD_AT_ONCE) break;
      }
      return renewed;
    });
  }

  #of(serverUrl: string): ServerStarts {
    const { jobs, durationsOn } = this.#parts;
    return getOrInsert(this.#servers, serverUrl, () => new ServerStarts(serverUrl, jobs, durationsOn(serverUrl)));
  }

  #guarded<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      this.#parts.report('queue', error);
      return otherwise;
    }
  }
}
