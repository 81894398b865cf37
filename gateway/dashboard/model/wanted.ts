import { isSettled, standingOf as standingIn, type JobStanding } from '../../../streams/job/job-state';
import type { PublicJob } from '../../wire/public-job';

/** A job's status as people see it: a cancelled job has not failed. */
export type Standing = 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';

export const standings: readonly Standing[] = ['running', 'waiting', 'completed', 'failed', 'cancelled'];

/** The periods of the filter in ms, by their words in the address. */
export const periods: Readonly<Record<string, number>> = { '15m': 900_000, '1h': 3_600_000, '24h': 86_400_000 };

/** The filters of the list. No standing, or an empty text, means any. */
export interface Wanted {
  readonly standings: readonly Standing[];
  readonly type: string;
  readonly user: string;
  readonly character: string;
  readonly text: string;
  /** One of `periods`, counted from when a job was submitted. */
  readonly within: string;
}

export const anyJob: Wanted = { standings: [], type: '', user: '', character: '', text: '', within: '' };

export const standingOf = ({ status, failure }: Pick<PublicJob, 'status' | 'failure'>): Standing => {
  const standing = standingIn({ status, ...(failure && { failure }) });
  return standing === 'processing' ? 'running' : standing === 'queued' ? 'waiting' : standing;
};

const STANDINGS: Readonly<Record<Standing, JobStanding>> = {
  running: 'processing',
  waiting: 'queued',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
};

/** The gateway's names of the chosen standings; all if none is chosen. */
export const statusesOf = (chosen: readonly Standing[]): readonly JobStanding[] =>
  (chosen.length === 0 ? standings : chosen).map((standing) => STANDINGS[standing]);

/** Whether a job passes all filters but the standings. A text is searched in all that a row shows, ids included. */
export function fitsFields(
  job: PublicJob,
  { type, user, character, text, within }: Omit<Wanted, 'standings'>,
  now: number,
): boolean {
  if (type !== '' && job.type !== type) return false;
  if (user !== '' && job.userId !== user.trim()) return false;
  if (character !== '' && job.characterId !== character.trim()) return false;
  const period = periods[within];
  if (period !== undefined && job.startedAt < now - period) return false;
  return text === '' || textsOf(job).some((field) => holds(field, text));
}

/** The texts that the gateway searches (`GET /jobs?text=`), and those that a row shows. */
const textsOf = (job: PublicJob): readonly string[] =>
  [
    ...[job.promptId, job.runId, job.type, job.userId, job.characterId],
    ...[job.node?.type, job.node?.title, job.failure?.kind],
    ...Object.values(job.metadata ?? {}),
  ].filter((field): field is string => typeof field === 'string');

export const isChosen = (job: PublicJob, { standings: chosen }: Pick<Wanted, 'standings'>): boolean =>
  chosen.length === 0 || chosen.includes(standingOf(job));

const holds = (field: string, part: string): boolean => field.toLowerCase().includes(part.trim().toLowerCase());

/** The text as a job's id, if it looks like a whole one. */
export const idIn = (text: string): string | undefined => {
  const id = text.trim();
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(id) || /^[\w-]{24,200}$/.test(id)
    ? id
    : undefined;
};

/**
 * The order of the list: running jobs, then waiting ones with the next first, then ended ones with the newest first. A
 * job that starts keeps its row, and when one ends, the rows below it move up by one.
 */
export function inOrder(a: PublicJob, b: PublicJob): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  const time = isSettled(a) ? endOf(b) - endOf(a) : a.startedAt - b.startedAt;
  return time || (a.promptId < b.promptId ? -1 : a.promptId > b.promptId ? 1 : 0);
}

const rankOf = ({ status }: PublicJob): number => (status === 'processing' ? 0 : status === 'queued' ? 1 : 2);

const endOf = ({ finishedAt, updatedAt }: PublicJob): number => finishedAt ?? updatedAt;
