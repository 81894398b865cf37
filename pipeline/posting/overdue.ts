import { filter, interval, map, mergeMap, tap, type Observable, type SchedulerLike } from 'rxjs';
import type { Sessions } from '../sessions/sessions';
import type { BoardView } from '../../streams/board/board';
import { silentTooLong, timedOut } from '../../streams/job/failures';
import type { Job } from '../../streams/job/job';
import type { Failure, JobState } from '../../streams/job/job-state';
import { REPORTED_URL } from '../../streams/reports/job-report';
import { RETURN_MS } from '../../streams/reports/time-up';

/** How often deadlines are compared with the clock, ms. Costs no request. */
const TICK_MS = 250;

/** A job whose time is up, and the failure that it gets. */
export interface Overdue {
  readonly job: Job;
  readonly failure: Failure;
}

/** The jobs that are past their deadline, and reported jobs without a report for longer than their `silentMs`. */
export function overdue(
  board: Pick<BoardView, 'overdue'>,
  sessions: Pick<Sessions, 'own' | 'lease'>,
  clock: SchedulerLike,
): Observable<Overdue> {
  let doubtAt = 0;
  /**
   * While our lease for reports is in doubt, another instance may be taking them; after that a program needs up to 30 s
   * to send them here. Until then silence proves nothing.
   */
  const mayBeHeard = ({ reported }: JobState, now: number): boolean =>
    reported !== undefined && now < doubtAt + Math.min(reported.silentMs, RETURN_MS);
  return interval(TICK_MS, clock).pipe(
    map(() => clock.now()),
    tap((now) => {
      if (sessions.lease(sessions.own(REPORTED_URL)) === 'doubtful') doubtAt = now;
    }),
    mergeMap((now) => board.overdue(now).map((job) => ({ job, isPast: isPastDeadline(job.state, now), now }))),
    filter(({ job, isPast, now }) => isPast || !mayBeHeard(job.state, now)),
    map(({ job, isPast }) => ({ job, failure: failureOf(job.state, isPast) })),
  );
}

const isPastDeadline = ({ deadlineAt }: JobState, now: number): boolean =>
  deadlineAt !== undefined && deadlineAt <= now;

const failureOf = ({ reported }: JobState, isPast: boolean): Failure =>
  isPast || reported === undefined ? timedOut : silentTooLong(reported.silentMs);
