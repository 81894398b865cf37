import { catchError, of, type Observable, type SchedulerLike } from 'rxjs';
import { bounds } from '../../streams/bounds';
import type { QueueEntry } from '../../streams/job/job-event';
import type { Queued } from '../codecs/jobs.codec';
import { NoAnswer } from '../rest/no-answer';
import type { JobRoutes } from './job-routes';
import { MARK } from './queue-places';

/** For how long the queue is not asked for as a whole after it could not be read, ms. */
export const QUEUE_PAUSE_MS = 60_000;

/** Whether a run of a server is one that this instance watches. */
export type IsOurs = (runId: string) => boolean;

/** Reads whole queues where the list of jobs leaves workflows out. */
interface Workflows {
  /** These entries of the queue, with their workflows if another client's that is new stands before a job of ours. */
  readonly added: (entries: readonly Queued[], isOurs: IsOurs) => Observable<readonly Queued[]>;
  /** An entry for the board; once it has read the workflow, that is not asked for again. */
  readonly entryOf: (queued: Queued) => QueueEntry;
}

export function workflowsOf({ wholeQueue }: JobRoutes, clock: SchedulerLike): Workflows {
  let unreadUntil = 0;
  let read = new Set<string>();
  return {
    added: (entries, isOurs) => {
      read = new Set(entries.map(({ promptId }) => promptId).filter((id) => read.has(id)));
      const last = entries.findLastIndex(({ promptId, running }) => !running && isOurs(promptId));
      const isNew = ({ promptId, nodes }: Queued): boolean => nodes === 0 && !read.has(promptId) && !isOurs(promptId);
      if (clock.now() < unreadUntil || !entries.slice(0, Math.max(0, last)).some(isNew)) return of(entries);
      return wholeQueue().pipe(
        catchError((error: unknown) => {
          if (!(error instanceof NoAnswer)) throw error;
          unreadUntil = clock.now() + QUEUE_PAUSE_MS;
          return of(entries);
        }),
      );
    },
    entryOf: (queued) => {
      const { promptId: runId, targets, extraData } = queued;
      const { [MARK]: ours, client_id: client } = extraData;
      return {
        runId,
        nodes: () => queued.nodes,
        graph: () => {
          const { graph } = queued;
          if (graph !== undefined) read.add(runId);
          return graph;
        },
        ...(typeof client === 'string' && client.length <= bounds.runIdLength && { client }),
        ...(typeof ours === 'string' && { promptId: ours }),
        ...(targets !== undefined && { targets }),
      };
    },
  };
}
