import { isSettled } from '../../../streams/job/job-state';
import type { PublicJob } from '../../wire/public-job';

/** Which jobs a list shows, by how they are. */
export type Standing = 'all' | 'running' | 'waiting' | 'completed' | 'failed';

export const standings: readonly Standing[] = ['all', 'running', 'waiting', 'completed', 'failed'];

/** What a person wants to see. Empty texts mean any. */
export interface Wanted {
  readonly standing: Standing;
  readonly type: string;
  readonly user: string;
  readonly text: string;
}

export const anyJob: Wanted = { standing: 'all', type: '', user: '', text: '' };

export const standingOf = ({ status }: Pick<PublicJob, 'status'>): Exclude<Standing, 'all'> => {
  if (status === 'processing') return 'running';
  return status === 'queued' ? 'waiting' : status;
};

/** Whether a job is among those wanted. A text is looked for in everything a row shows, ids included. */
export function fits(job: PublicJob, { standing, type, user, text }: Wanted): boolean {
  if (standing !== 'all' && standingOf(job) !== standing) return false;
  if (type !== '' && job.type !== type) return false;
  if (user !== '' && !holds(job.userId, user)) return false;
  return (
    text === '' ||
    [job.promptId, job.type, job.userId, job.characterId, job.node?.type, job.node?.title, job.failure?.kind].some(
      (field) => field !== undefined && holds(field, text),
    )
  );
}

const holds = (field: string, part: string): boolean => field.toLowerCase().includes(part.trim().toLowerCase());

/**
 * As a queue is served: what runs, what waits with the next one first, what ended with the newest first. So a job that
 * starts stays where it is, and the rows below one that ends move up by one.
 */
export function inOrder(a: PublicJob, b: PublicJob): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  const time = isSettled(a) ? endOf(b) - endOf(a) : a.startedAt - b.startedAt;
  return time || (a.promptId < b.promptId ? -1 : a.promptId > b.promptId ? 1 : 0);
}

const rankOf = ({ status }: PublicJob): number => (status === 'processing' ? 0 : status === 'queued' ? 1 : 2);

const endOf = ({ finishedAt, updatedAt }: PublicJob): number => finishedAt ?? updatedAt;

/** The jobs wanted, in order. */
export const listed = (jobs: Iterable<PublicJob>, wanted: Wanted): readonly PublicJob[] =>
  [...jobs].filter((job) => fits(job, wanted)).sort(inOrder);
