import { standingOf, type JobStanding } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import type { Totals } from '../api';

/** How many jobs there are of each user, and of all under the empty name: what the gateway last said, kept up by each job that changes since. */
export interface UserTotals {
  readonly of: (user: string) => Totals | undefined;
  /** Of whom there are counts. */
  readonly users: () => readonly string[];
  /** The gateway's answer to a question that was asked at that time, in its own clock; ms since 1970. */
  readonly told: (user: string, counts: Totals, at: number) => void;
  /** Is told of each state that the cache takes. */
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
        // An older job that was not known here is counted already, and it is unknown as what.
        if (before === undefined && job.startedAt <= at) continue;
        totals.set(user, { at, counts: moved(counts, job, before) });
      }
    },
  };
}

/** The counts after a job that stood otherwise before, or is new. */
function moved(counts: Totals, job: PublicJob, before: PublicJob | undefined): Totals {
  const next: Record<JobStanding, number> = { ...counts };
  if (before) next[standingOf(before)] = Math.max(0, next[standingOf(before)] - 1);
  next[standingOf(job)] += 1;
  return next;
}
