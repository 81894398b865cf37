import { EmptyError, filter, firstValueFrom, merge, repeat, takeUntil, tap, timer, type SchedulerLike } from 'rxjs';
import type { Reads } from '../reads/reads';
import { StoreUnavailable, type JobStore } from '../../sinks/job-store';
import type { BoardView } from '../../streams/board/board';
import { isSettled, type JobState } from '../../streams/job/job-state';
import { isEnd, type JobReport } from '../../streams/reports/job-report';

/** For how long a report is sent to the holder of its job's session until one has taken it, and how often, ms. */
export const ANSWER_MS = 10_000;
const ASKED_AGAIN_MS = 250;

export interface PassedOnParts {
  readonly board: Pick<BoardView, 'job'>;
  readonly reads: Pick<Reads, 'watch'>;
  readonly store: Pick<JobStore, 'leases'>;
}

/**
 * Sends a report to the holder of its job's session until a state shows that it was taken: one that listens may be
 * suspended or cut off. Resolves then, and once the job is on this instance's board, whose it is to take the report.
 * Rejects with `StoreUnavailable` after `ANSWER_MS`.
 */
export const passedOn =
  ({ board, reads, store }: PassedOnParts, clock: SchedulerLike) =>
  async (session: string, promptId: string, report: JobReport): Promise<void> => {
    let complaint = 'no instance watches over the job just now';
    const here$ = store.leases.ask(session, { tag: 'report', promptId, report }).pipe(
      tap((isHeard) => {
        if (isHeard) complaint = 'the instance that watches over the job has not taken the report yet';
      }),
      repeat({ delay: () => timer(ASKED_AGAIN_MS, clock) }),
      filter(() => board.job(promptId) !== undefined),
    );
    const taken$ = reads.watch(promptId).pipe(filter(shows(report)));
    await firstValueFrom(merge(taken$, here$).pipe(takeUntil(timer(ANSWER_MS, clock)))).catch((error: unknown) => {
      throw error instanceof EmptyError ? new StoreUnavailable(complaint) : error;
    });
  };

/** Whether a state shows that a report was taken, or would change nothing any more. */
const shows =
  (report: JobReport) =>
  (state: JobState): boolean =>
    isSettled(state) || (!isEnd(report) && (state.reported?.count ?? 0) >= report.count);
