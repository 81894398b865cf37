import { givenUp } from '../job/advance/derive';
import { internalError } from '../job/failures';
import type { JobEvent } from '../job/job-event';
import type { Job } from '../job/job';
import { isSettled } from '../job/job-state';
import type { Report } from '../operators/reporting';
import { JobBroke, addressedByJob, type Change } from './board-event';
import { jobIndex } from './job-index';

/** The live jobs, and the changes to tell when one of them changes. */
export class LiveJobs {
  readonly index = jobIndex();
  readonly #touched = new Set<string>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  get(promptId: string): Job | undefined {
    return this.index.jobs.get(promptId);
  }

  /** The job that an event is about: our own acts name the job, all others its present run (`addressedByJob`). */
  addressedBy({ promptId: id, tag }: JobEvent): Job | undefined {
    return (addressedByJob.has(tag) ? this.get(id) : undefined) ?? this.index.run(id);
  }

  /** The jobs that were kept or forgotten since the last call. */
  touched(): readonly string[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  /** Keeps the job, or removes it if it has settled; returns what to tell. `before` is `undefined` for a new job. */
  keep(before: Job | undefined, changed: Job): readonly Change[] {
    const job = before === undefined ? changed : oneChange(before, changed);
    const { promptId } = job.state;
    if (isSettled(job.state)) this.index.delete(promptId);
    else this.index.put(job);
    this.#touched.add(promptId);
    const told: readonly Change[] = before?.state === job.state ? [] : [{ tag: 'state', state: job.state }];
    const again = job.stage.tag === 'betweenRuns' && before?.stage.tag !== 'betweenRuns';
    return again ? [...told, { tag: 'runAgain', promptId, failure: job.stage.failure }] : told;
  }

  /** Removes a job that another instance has now. */
  forget(promptId: string): void {
    this.index.delete(promptId);
    this.#touched.add(promptId);
  }

  /** Changes some jobs; an error at one fails that one only. */
  each(some: readonly Job[], at: number, change: (job: Job) => Job): readonly Change[] {
    return some.flatMap((job) => this.guarded(job, at, () => this.keep(job, change(job))));
  }

  /** R15: the one place where an error of our own code at one job fails that job. */
  guarded(job: Job, at: number, work: () => readonly Change[]): readonly Change[] {
    try {
      return work();
    } catch (error) {
      return this.broke(this.get(job.state.promptId) ?? job, error, at);
    }
  }

  /** Reports an error of our own code at a job, and fails the job. */
  broke(job: Job, error: unknown, at: number): readonly Change[] {
    this.#report('job', new JobBroke(job.state.promptId, error));
    return this.keep(job, givenUp(job, internalError, at));
  }
}

/** The job with a `seq` that grew by one at most, however many things its event changed. */
const oneChange = ({ state: { seq } }: Job, job: Job): Job =>
  job.state.seq <= seq + 1 ? job : { ...job, state: { ...job.state, seq: seq + 1 } };
