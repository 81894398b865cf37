import type { PublicJob } from '../../../wire/public-job';
import { isSettled } from '../../../../streams/job/job-state';
import { now } from '../../live/now';
import { guessedLeftMs } from '../../../wire/node-history';
import { ago, duration, leftWords } from '../../model/words';
import { useSession } from './session-context';

/** What matters of a job's times now: what is left of it, how long it waits, or when it ended. */
export function TimeWords({ job }: { readonly job: PublicJob }) {
  const { board } = useSession();
  const time = now.value - board.clockSkewMs();
  if (isSettled(job)) return <>{ago(job.finishedAt ?? job.updatedAt, time)}</>;
  const history = job.status === 'processing' ? board.historyOf(job.promptId) : undefined;
  const leftMs = job.etaMs ?? (history && guessedLeftMs(history, job));
  if (leftMs !== undefined) return <>{leftWords(leftMs, job, time)}</>;
  const since = duration(time - job.startedAt);
  return <>{job.status === 'queued' ? `waits ${since}` : `for ${since}`}</>;
}
