import { signal, type ReadonlySignal } from '@preact/signals';
import { isSettled, type JobStatus } from '../../../streams/job/job-state';
import type { Wanted } from '../model/wanted';
import type { Api } from './api';
import type { Board } from './job-cache';

/** What the gateway lists, brought onto the board: all that is live, and of what ended as much as is asked for. */
export interface Listing {
  /** Whether there was a whole look yet. */
  readonly looked: ReadonlySignal<boolean>;
  /** Grows with each page of ended jobs. */
  readonly pages: ReadonlySignal<number>;
  /** Brings everything live and the newest that ended; what is live no more is asked for. */
  look(signal: AbortSignal): Promise<void>;
  /** Whether there may be ended jobs of this kind that are not here yet. */
  hasOlder(wanted: Wanted): boolean;
  older(wanted: Wanted, signal: AbortSignal): Promise<void>;
}

const PAGE = '200';
/** How many jobs that are listed no more are asked for at a time. */
const AT_A_TIME = 6;

type Key = Readonly<Record<string, string>>;

export function listing(api: Api, board: Board): Listing {
  const looked = signal(false);
  const pages = signal(0);
  /** Where the next page of ended jobs begins, by query; `null` after the last. */
  const cursors = new Map<string, string | null>();

  async function allOf(status: JobStatus, abort: AbortSignal): Promise<readonly string[]> {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await api.list({ status, limit: PAGE, ...(cursor !== undefined && { cursor }) }, abort);
      for (const job of page.jobs) {
        board.take(job);
        ids.push(job.promptId);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    return ids;
  }

  async function pageOf(query: Key, cursor: string | undefined, abort: AbortSignal): Promise<void> {
    const page = await api.list({ ...query, limit: PAGE, ...(cursor !== undefined && { cursor }) }, abort);
    for (const job of page.jobs) board.take(job);
    const name = JSON.stringify(query);
    if (cursor !== undefined || !cursors.has(name)) cursors.set(name, page.cursor ?? null);
    pages.value += 1;
  }

  /** What became of those that were live and are no more. */
  async function askFor(ids: readonly string[], abort: AbortSignal): Promise<void> {
    const rest = [...ids];
    const one = async (): Promise<void> => {
      for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
        const promptId = id;
        await api.get(promptId, abort).then(
          (job) => board.take(job),
          (error: unknown) => {
            if ((error as { readonly status?: unknown }).status === 404) board.remove(promptId);
            else throw error;
          },
        );
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, one));
  }

  return {
    looked,
    pages,
    async look(abort) {
      const live = [...board.jobs.values()].filter((job) => !isSettled(job));
      const running = await allOf('processing', abort);
      const waiting = await allOf('queued', abort);
      await Promise.all(endedQueries().map((query) => pageOf(query, undefined, abort)));
      const listed = new Set([...running, ...waiting]);
      await askFor(
        live.map(({ promptId }) => promptId).filter((id) => !listed.has(id) && isLive(board, id)),
        abort,
      );
      looked.value = true;
    },
    hasOlder: (wanted) => endedQueries(wanted).some((query) => cursors.get(JSON.stringify(query)) !== null),
    async older(wanted, abort) {
      const due = endedQueries(wanted)
        .map((query) => ({ query, cursor: cursors.get(JSON.stringify(query)) }))
        .filter(({ cursor }) => cursor !== null);
      await Promise.all(due.map(({ query, cursor }) => pageOf(query, cursor ?? undefined, abort)));
    },
  };
}

const isLive = (board: Board, id: string): boolean => {
  const job = board.jobs.get(id);
  return job !== undefined && !isSettled(job);
};

/** What to ask the gateway for, for ended jobs as wanted. Parts of names and texts it does not know. */
function endedQueries(
  { standing, type }: Pick<Wanted, 'standing' | 'type'> = { standing: 'all', type: '' },
): readonly Key[] {
  const statuses = (['completed', 'failed'] as const).filter((status) => standing === 'all' || standing === status);
  return statuses.map((status) => ({ status, ...(type !== '' && { type }) }));
}
