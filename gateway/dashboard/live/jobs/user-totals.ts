import { standingOf, type JobStanding } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import type { Totals } from '../api';

/** How many jobs each user has, and all users under '': the gateway's last answer, updated by each change since. */
export interface UserTotals {
  readonly of: (user: string) => Totals | undefined;
  /** The users that there are counts of. */
  readonly users: () => readonly string[];
  /** Takes the gateway's counts. `at`: when they were asked for, by the gateway's clock, ms since 1970. */
  readonly told: (user: string, counts: Totals, at: number) => void;
  /** Call it with each state that the cache takes. */
  readonly note: (job: PublicJob, before: PublicJob | undefined, isNews: boolean) => void;
}

export function userTotals(): UserTotals {
  const totals = new Map<string, { readonly at: number; readonly counts: Totals }>();
  return {
    of: (user) => totals.get(user)?.counts,
    users: () => [...totals.keys()],
    told: (user, counts, at) => void totals.set(user, { at, counts }),
    note: (job, before, isNews) => {
      if (!isNews || before?.status === job.status) return;
      for (const [user, { at, counts }] of totals) {
        if (user !== '' && user !== job.userId) continue;
        // An older job that this page did not know is in the counts already, under a standing that is unknown here.
        if (before === undefined && job.startedAt <= at) continue;
        totals.set(user, { at, counts: moved(counts, job, before) });
      }
    },
  };
}

/** The counts after a job changed its standing, or was added. */
function moved(counts: Totals, job: PublicJob, before: PublicJob | undefined): Totals {
  const next: Record<JobStanding, number> = { ...counts };
  if (before) next[standingOf(before)] = Math.max(0, next[standingOf(before)] - 1);
  next[standingOf(job)] += 1;
  return next;
}
