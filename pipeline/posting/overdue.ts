import { filter, interval, map, mergeMap, tap, type Observable, type SchedulerLike } from 'rxjs';
import type { Sessions } from '../sessions/sessions';
import type { BoardView } from '../../streams/board/board';
import { silentTooLong, timedOut } from '../../streams/job/failures';
import type { Job } from '../../streams/job/job';
import type { Failure, JobState } from '../../streams/job/job-state';
import { REPORTED_URL } from '../../streams/reports/job-report';
import { RETURN_MS } from '../../streams/reports/time-up';

/** How often is seen whether a job's time is up. Costs no request. */
const TICK_MS = 250;

/** A job whose time is up, and what it fails of. */
export interface Overdue {
  readonly job: Job;
  readonly failure: Failure;
}

/** The jobs that are past their deadline, and those that report themselves and were silent for too long. */
export function overdue(
  board: Pick<BoardView, 'overdue'>,
  sessions: Pick<Sessions, 'own' | 'lease'>,
  clock: SchedulerLike,
): Observable<Overdue> {
  let doubtAt = 0;
  /** While it is in doubt who takes our reports, and until they were sent again, silence says nothing. */
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
