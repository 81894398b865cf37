import type { PublicJob } from '../../../wire/public-job';
import { isPartial, statusWords } from '../../model/words';
import { standingOf } from '../../model/wanted';

/** A job's status in words, in its colour. */
export function Status({ job }: { readonly job: PublicJob }) {
  return (
    <span class="status" data-is={lookOf(job)}>
      {statusWords(job)}
    </span>
  );
}

/** The look of a status: a cancelled job must not look failed, nor one that runs in part like one without errors. */
export const lookOf = (job: PublicJob): string => {
  if (isPartial(job)) return 'partial';
  return standingOf(job) === 'cancelled' ? 'cancelled' : job.status;
};
