import type { PublicJob } from '../../../wire/public-job';
import { statusWords } from '../../model/words';

/** How a job is, in its colour. */
export function Status({ job }: { readonly job: PublicJob }) {
  return (
    <span class="status" data-is={lookOf(job)}>
      {statusWords(job)}
    </span>
  );
}

/** What is cancelled was wanted so, and is not to look like what failed. */
export const lookOf = ({ status, failure }: PublicJob): string =>
  failure?.kind === 'cancelled' ? 'cancelled' : status;
