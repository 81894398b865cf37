import type { Job } from '../../streams/job/job';
import { runIdOf } from '../../streams/job/job-state';
import type { Queued } from '../codecs/jobs.codec';

/** The key of `extra_data` under which a workflow carries our id: an old server gives the job another. */
export const MARK = 'jobstream_prompt_id';

/** The queue's entry of a run: under its id, or under another id with our mark on it. */
export const inQueueAs = (entries: readonly Queued[], runId: string): Queued | undefined =>
  entries.find(({ promptId, extraData }) => promptId === runId || extraData[MARK] === runId);

interface Place {
  readonly job: Job;
  readonly runId: string;
  readonly entry: Queued;
  readonly ahead: number;
}

/**
 * Sorts jobs into those `found` in the queue, those `missed`, and, of the found, running ones whose workflow is
 * unknown.
 */
export function placesOf(
  jobs: readonly Job[],
  entries: readonly Queued[],
): { readonly found: readonly Place[]; readonly missed: readonly Job[]; readonly withoutGraph: readonly Job[] } {
  const byId = new Map(entries.map((entry, ahead) => [entry.promptId, { entry, ahead }]));
  const byMark = new Map(entries.map((entry, ahead) => [entry.extraData[MARK], { entry, ahead }]));
  const found: Place[] = [];
  const missed: Job[] = [];
  const withoutGraph: Job[] = [];
  for (const job of jobs) {
    const runId = runIdOf(job.state);
    const place = byId.get(runId) ?? byMark.get(runId);
    if (place === undefined) missed.push(job);
    else {
      found.push({ job, runId, ...place });
      const { promptId, running } = place.entry;
      if (promptId === runId && running && job.graph.size === 0 && place.entry.graph === undefined)
        withoutGraph.push(job);
    }
  }
  return { found, missed, withoutGraph };
}
