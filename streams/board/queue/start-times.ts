import type { QueueEvent, QueueSeen } from '../../job/job-event';
import type { Job } from '../../job/job';
import type { Durations } from '../../job/progress/plan/expected';
import type { RunClock } from '../../job/progress/run-clock';
import type { Report } from '../../operators/reporting';
import { Strangers } from './line/strangers';
import { ServerStarts, type Jobs } from './start/server-starts';
import { isDue, withStart } from './start/told-start';

interface Parts {
  readonly jobs: Jobs;
  /** What is known of nodes' durations on a server. */
  readonly durationsOn: (serverUrl: string) => Durations;
  readonly report: Report;
}

/** Queues with more jobs of ours are gone through every fifth second, two in ten each second; so many of their jobs are told in one go. */
const FEW_JOBS = 32;
const TURNS = 5;
const TOLD_AT_ONCE = 500;

/** When waiting jobs will start, by what those before them are expected to take. A mistake of ours in that is reported, and no job's end (R15). */
export class StartTimes {
  readonly #servers = new Map<string, ServerStarts>();
  readonly #strangers = new Strangers();
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What a server told of its queue. */
  told(event: QueueEvent | QueueSeen): void {
    this.#guarded(() => {
      const starts = this.#of(event.serverUrl);
      if (event.tag === 'queueSeen') starts.looked(event, this.#strangers);
      else starts.told(event.remaining, event.at, this.#strangers);
    }, undefined);
  }

  /** ComfyUI took a job of ours. */
  accepted(job: Job, at: number, isOutOfTurn: boolean): void {
    this.#of(job.state.serverUrl).accepted(job, at, isOutOfTurn);
  }

  /** A job of ours is not in the queue any more; `run` is how it went, where it was seen from its start to its good end. */
  ended(job: Job, run: RunClock | undefined, at: number): void {
    this.#guarded(() => {
      const starts = this.#of(job.state.serverUrl);
      if (run !== undefined) starts.took(job, run, at);
      starts.ended(job, at);
    }, undefined);
  }

  /** A job that waits with the time to its start; `known` is the job before what has just changed it. */
  started(job: Job, known: Job, at: number): Job {
    if (job.state.status !== 'queued') return job;
    const startsIn = this.#guarded(() => this.#of(job.state.serverUrl).startsIn(job, at), undefined);
    return withStart(startsIn, job, known, at);
  }

  /** The waiting jobs whose starts are others by now than they were told, as they are to be told. To be asked each second. */
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
    const known = this.#servers.get(serverUrl);
    if (known !== undefined) return known;
    const starts = new ServerStarts(serverUrl, this.#parts.jobs, this.#parts.durationsOn(serverUrl));
    this.#servers.set(serverUrl, starts);
    return starts;
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
