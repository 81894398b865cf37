import { catchError, defer, of, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';
import type { StoredWorkflow } from '../sinks/codecs/stored-workflow.codec';
import type { BoardEvent } from '../streams/board/board';
import type { JobReport } from '../streams/reports/job-report';
import type { JobState } from '../streams/job/job-state';

/** A job that this instance has claimed, and its stored workflow. */
export interface StoredJob {
  readonly state: JobState;
  readonly workflow: StoredWorkflow | undefined;
}

/** What one part of the pipeline wants done to a job: values, so that no part calls one that is made after it. */
export type Demand =
  | { readonly tag: 'takeUp'; readonly job: StoredJob }
  /** Another instance passes on its caller's cancel. */
  | { readonly tag: 'cancel'; readonly promptId: string }
  /** Another instance passes on a report that came to it. */
  | { readonly tag: 'report'; readonly promptId: string; readonly report: JobReport }
  /** The instance that had the session before has closed its socket only now. */
  | { readonly tag: 'evicted'; readonly clientId: string }
  /** Another instance has the job: its lease was lost here, or a write was refused. */
  | { readonly tag: 'letGo'; readonly promptId: string };

/** R15: an error of our own code while it works on one job fails that job, and nothing else. */
export const endingJob =
  (state: JobState, clock: SchedulerLike): MonoTypeOperatorFunction<BoardEvent> =>
  (event$) =>
    defer(() => event$).pipe(
      catchError((error: unknown) => of<BoardEvent>({ tag: 'brokeHere', state, error, at: clock.now() })),
    );
