import type { QueueEvent, QueueSeen } from '../../job/job-event';
import type { Job } from '../../job/job';
import { byName, type Durations } from '../../job/progress/plan/expected';
import type { RunClock } from '../../job/progress/run-clock';
import { Strangers } from './line/strangers';
import { ServerStarts, type Jobs } from './start/server-starts';

/** When waiting jobs will start, by what those before them are expected to take. */
export class StartTimes {
  readonly #servers = new Map<string, ServerStarts>();
  readonly #strangers = new Strangers();
  readonly #jobs: Jobs;
  readonly #durationsOn: (serverUrl: string) => Durations;

  /** `durationsOn` gives what is known of nodes' durations on a server. */
  constructor(jobs: Jobs, durationsOn: (serverUrl: string) => Durations = () => byName) {
    this.#jobs = jobs;
    this.#durationsOn = durationsOn;
  }

  of(serverUrl: string): ServerStarts {
    const known = this.#servers.get(serverUrl);
    if (known !== undefined) return known;
    const starts = new ServerStarts(serverUrl, this.#jobs, this.#durationsOn(serverUrl));
    this.#servers.set(serverUrl, starts);
    return starts;
  }

  /** What a server told of its queue. */
  told(event: QueueEvent | QueueSeen): void {
    const starts = this.of(event.serverUrl);
    if (event.tag === 'queueSeen') starts.looked(event, this.#strangers);
    else starts.told(event.remaining, event.at, this.#strangers);
  }

  /** A run of ours took so long, from its start to its good end. */
  took(job: Job, run: RunClock, at: number): void {
    this.of(job.state.serverUrl).took(job, run, at);
  }

  /** Milliseconds until a job starts that waits; `undefined` until that means something. */
  startsIn(job: Job, at: number): number | undefined {
    return this.of(job.state.serverUrl).startsIn(job, at);
  }
}
