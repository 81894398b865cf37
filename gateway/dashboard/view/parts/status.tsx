import type { PublicJob } from '../../../wire/public-job';
import { isPartial, statusWords } from '../../model/words';
import { standingOf } from '../../model/wanted';

/** How a job is, in its colour. */
export function Status({ job }: { readonly job: PublicJob }) {
  return (
    <span class="status" data-is={lookOf(job)}>
      {statusWords(job)}
    </span>
  );
}

/** What is cancelled was wanted so, and is not to look like what failed; what runs in part is not to look like what is well. */
export const lookOf = (job: PublicJob): string => {
  if (isPartial(job)) return 'partial';
  return standingOf(job) === 'cancelled' ? 'cancelled' : job.status;
};
