import type { PublicJob } from '../../../wire/public-job';
import { isSettled } from '../../../../streams/job/job-state';
import { now } from '../../live/now';
import { guessedLeftMs } from '../../../wire/node-history';
import { ago, duration, leftWords, startWords } from '../../model/words';
import { useSession } from './session-context';
import { useSilence } from './silence';

/**
 * The time that matters now: until the job ends or starts, else how long it runs or waits, when it ended, or its
 * silence.
 */
export function TimeWords({ job }: { readonly job: PublicJob }) {
  const { cache } = useSession();
  const time = now.value - cache.clockSkewMs();
  const silence = useSilence(job);
  if (isSettled(job)) return <>{ago(job.finishedAt ?? job.updatedAt, time)}</>;
  if (silence) return <span class="silent">no news for {duration(time - silence.since)}</span>;
  if (job.status === 'queued') {
    const starts = job.etaMs === undefined ? undefined : startWords(job.etaMs, job, time);
    return <>{starts ?? `waits ${duration(time - job.startedAt)}`}</>;
  }
  const history = cache.historyOf(job.promptId);
  const leftMs = job.etaMs ?? (history && guessedLeftMs(history, job));
  const left = leftMs === undefined ? undefined : leftWords(leftMs, job, time);
  if (left !== undefined) return <>{left}</>;
  const began = job.executionStartedAt ?? history?.began;
  return <>{began === undefined ? `submitted ${ago(job.startedAt, time)}` : `runs ${duration(time - began)}`}</>;
}
