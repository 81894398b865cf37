import { useEffect, useState } from 'preact/hooks';
import { isSettled } from '../../../../streams/job/job-state';
import { JobstreamError } from '../../../client';
import type { PublicJob } from '../../../wire/public-job';
import { drawnBy } from '../parts/drawn-by';
import { useSession } from '../parts/session-context';

/** The history is fetched this long after the last change of node, because nodes may take only milliseconds each. */
const NODES_MS = 300;

export interface WatchedJob {
  readonly job?: PublicJob;
  /** Why the job is not, or no longer, watched: a sentence. */
  readonly trouble?: string;
}

const TROUBLES: Readonly<Record<string, string>> = {
  'unknown-job': 'There is no such job, or none that you may see. States are kept for two hours after the last change.',
  'bad-request': 'This is no job’s id.',
  gone: 'The job was there, and is no more: states are kept for two hours after the last change.',
};

/** A job's present state: from the cache at once, then from its room while the view is mounted. */
export function useWatchedJob(promptId: string): WatchedJob {
  const { api, cache, stream, link } = useSession();
  const [trouble, setTrouble] = useState<string>();
  // Redraw with each batch of changes: this job may be among them.
  drawnBy(cache.version);
  useEffect(() => {
    const watching = stream.watchJob(promptId).subscribe({
      next: (job) => cache.take(job),
      error: (error: unknown) => {
        const code = error instanceof JobstreamError ? error.code : '';
        if (code !== 'unauthorized' && code !== 'closed')
          setTrouble(TROUBLES[code] ?? 'The job cannot be watched now.');
      },
    });
    return () => watching.unsubscribe();
  }, [promptId, stream, cache]);
  const job = cache.jobs.get(promptId);
  const isThere = job !== undefined;
  const isOver = isThere && isSettled(job);
  const isLinked = link.value === 'connected';
  const nodeId = job?.node?.id;
  // The history is fetched at first, after each reconnection, with each node and at the end: states leave out fast
  // nodes.
  useEffect(() => {
    if (!isThere) return;
    const soon = setTimeout(() => {
      api.nodes(promptId).then(
        (history) => cache.learn(promptId, history),
        // On failure only the nodes that this tab saw are shown.
        () => undefined,
      );
    }, NODES_MS);
    return () => clearTimeout(soon);
  }, [promptId, isThere, isOver, isLinked, nodeId, api, cache]);
  return { ...(job && { job }), ...(trouble !== undefined && { trouble }) };
}
