import type { PublicJob } from '../../../wire/public-job';
import { standingOf } from '../../model/wanted';
import { fineDuration, standingWords, waitedMsOf } from '../../model/words';

const WATCHED: Readonly<Record<string, string>> = { websocket: 'WebSocket', polling: 'polling', report: 'its reports' };

/** A job's ids, server, times and metadata. */
export function JobFacts({ job }: { readonly job: PublicJob }) {
  const { promptId, userId, characterId, startedAt, executionStartedAt, finishedAt, attempt, via, metadata } = job;
  const standing = standingOf(job);
  const isLive = standing === 'waiting' || standing === 'running';
  const waitedMs = waitedMsOf(job);
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Id', promptId],
    ['User', userId],
    ['Character', characterId],
    ['Server', job.server],
    ['Watched by', isLive ? WATCHED[via] : undefined],
    ['Submitted', timeOf(startedAt)],
    ['Began', executionStartedAt === undefined ? undefined : timeOf(executionStartedAt)],
    [standingWords(standing), finishedAt === undefined ? undefined : timeOf(finishedAt)],
    ['Waited', waitedMs === undefined ? undefined : fineDuration(waitedMs)],
    ['Ran', between(executionStartedAt, finishedAt)],
    ['In all', executionStartedAt === undefined ? between(startedAt, finishedAt) : undefined],
    ['Attempt', attempt > 1 ? String(attempt) : undefined],
  ];
  return (
    <aside class="facts" aria-label="Facts">
      <dl>
        {facts.map(
          ([name, value]) =>
            value !== undefined && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      {metadata && (
        <details>
          <summary>Metadata</summary>
          <pre tabIndex={0} aria-label="Metadata">
            {JSON.stringify(metadata, null, 2)}
          </pre>
        </details>
      )}
    </aside>
  );
}

const timeOf = (ms: number): string =>
  new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

const between = (from: number | undefined, to: number | undefined): string | undefined =>
  from === undefined || to === undefined ? undefined : fineDuration(to - from);
