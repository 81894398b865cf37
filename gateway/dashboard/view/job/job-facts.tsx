import type { PublicJob } from '../../../wire/public-job';
import { fineDuration } from '../../model/words';

/** What a job was asked as, where it runs, and since when. */
export function JobFacts({ job }: { readonly job: PublicJob }) {
  const { promptId, userId, characterId, server, startedAt, finishedAt, attempt, via, status, metadata } = job;
  const isLive = status === 'queued' || status === 'processing';
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Id', promptId],
    ['User', userId],
    ['Character', characterId],
    ['Server', server],
    ['Watched by', isLive ? (via === 'websocket' ? 'WebSocket' : 'polling') : undefined],
    ['Submitted', timeOf(startedAt)],
    ['Ended', finishedAt === undefined ? undefined : timeOf(finishedAt)],
    ['Took', finishedAt === undefined ? undefined : fineDuration(finishedAt - startedAt)],
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
