import type { JobState } from '../streams/job/job-state';
import type { JobFilter } from './job-store';

/** A page of jobs, newest first, and where the next one starts. */
export interface JobPage {
  readonly jobs: readonly JobState[];
  readonly cursor?: string;
}

export const matches = (state: JobState, { status, type, userId }: JobFilter): boolean =>
  (status === undefined || state.status === status) &&
  (type === undefined || state.type === type) &&
  (userId === undefined || state.userId === userId);

/** The `limit` newest after `cursor`, which says where the page before ended. A cursor that is none starts from the first. */
export function pageOf(states: readonly JobState[], limit: number, cursor?: string): JobPage {
  const sorted = [...states].sort(newestFirst);
  const after = cursor === undefined ? undefined : position(cursor);
  const rest = after === undefined ? sorted : sorted.filter((state) => newestFirst(state, after) > 0);
  const jobs = rest.slice(0, limit);
  const last = jobs.at(-1);
  return { jobs, ...(last !== undefined && rest.length > limit && { cursor: cursorAt(last) }) };
}

type Position = Pick<JobState, 'startedAt' | 'promptId'>;

const newestFirst = (a: Position, b: Position): number =>
  b.startedAt - a.startedAt || (a.promptId < b.promptId ? -1 : a.promptId > b.promptId ? 1 : 0);

const cursorAt = ({ startedAt, promptId }: Position): string =>
  Buffer.from(`${startedAt}:${promptId}`).toString('base64url');

function position(cursor: string): Position | undefined {
  const [, startedAt, promptId] = /^(\d+):(.+)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  return promptId === undefined ? undefined : { startedAt: Number(startedAt), promptId };
}
