import { bounds } from '../../streams/bounds';
import { standingOf, type JobStanding, type JobState } from '../../streams/job/job-state';

/** Which states match; an absent field matches all. */
export interface JobFilter {
  /** By standing: `failed` are those that were not cancelled. */
  readonly status?: readonly JobStanding[];
  readonly type?: string;
  readonly userId?: string;
  readonly characterId?: string;
  /** A part, in any case, of `promptId`, `runId`, `type`, `characterId`, `userId` or a text of `metadata`. */
  readonly text?: string;
  /** Submitted at or after this time, ms since 1970. */
  readonly since?: number;
  /** Submitted before this time, ms since 1970. */
  readonly until?: number;
}

export interface JobQuery extends JobFilter {
  readonly limit: number;
  /** The `cursor` of the page before; absent for the first page. */
  readonly cursor?: string;
}

/**
 * How many jobs have each standing: of the query's user, or of all users. The other filters of the query do not count.
 */
export type JobTotals = Readonly<Record<JobStanding, number>>;

/** A page of jobs, newest first, and where the next one starts. */
export interface JobPage {
  readonly jobs: readonly JobState[];
  readonly cursor?: string;
  readonly totals: JobTotals;
  /** How many characters of states, as JSON, were read for it: those that the filter left out count too. */
  readonly read?: number;
  /** `true` if the store did not answer: these are only the jobs that the asked instance holds. */
  readonly partial?: true;
}

/** A cursor that no page gave. */
export class InvalidCursor extends Error {
  override readonly name = 'InvalidCursor';
}

export const STANDINGS: readonly JobStanding[] = ['queued', 'processing', 'completed', 'failed', 'cancelled'];
export const UNSETTLED: readonly JobStanding[] = ['queued', 'processing'];

/** Whether a state passes the filter. */
export const matches = (state: JobState, wanted: JobFilter): boolean =>
  (wanted.status === undefined || wanted.status.includes(standingOf(state))) &&
  (wanted.type === undefined || state.type === wanted.type) &&
  (wanted.userId === undefined || state.userId === wanted.userId) &&
  (wanted.characterId === undefined || state.characterId === wanted.characterId) &&
  (wanted.since === undefined || state.startedAt >= wanted.since) &&
  (wanted.until === undefined || state.startedAt < wanted.until) &&
  (wanted.text === undefined || textsOf(state).some((text) => holds(text, wanted.text ?? '')));

const textsOf = ({
  promptId,
  runId = '',
  type,
  characterId = '',
  userId,
  metadata = {},
}: JobState): readonly string[] => [
  ...[promptId, runId, type, characterId, userId],
  ...Object.values(metadata).filter((value) => typeof value === 'string'),
];

const holds = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase());

/** A job's place in the order of pages: the newest first, jobs of one millisecond by their ids. */
export type Position = Pick<JobState, 'startedAt' | 'promptId'>;

/** The order of a page: negative where `a` comes before `b`. Ids compare as in Redis: by byte, the greater first. */
export const newestFirst = (a: Position, b: Position): number =>
  b.startedAt - a.startedAt ||
  (a.promptId === b.promptId ? 0 : Buffer.compare(Buffer.from(b.promptId), Buffer.from(a.promptId)));

export const cursorAt = ({ startedAt, promptId }: Position): string =>
  Buffer.from(JSON.stringify([startedAt, promptId])).toString('base64url');

/** Where the page before ended. Throws `InvalidCursor`. */
export function positionOf(cursor: string): Position {
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(position) && typeof position[0] === 'number' && typeof position[1] === 'string') {
      const [startedAt, promptId] = [position[0], position[1]];
      // No job has a longer id, and a store could not look it up.
      if (Buffer.byteLength(promptId) <= bounds.promptIdBytes) return { startedAt, promptId };
    }
  } catch {
    // Not JSON, so no cursor.
  }
  throw new InvalidCursor('the cursor is none that a page gave');
}

export const isCursor = (text: string): boolean => {
  try {
    return positionOf(text).promptId !== '';
  } catch {
    return false;
  }
};

export const noJobs: JobTotals = { queued: 0, processing: 0, completed: 0, failed: 0, cancelled: 0 };

export const totalsOf = (states: readonly JobState[]): JobTotals => {
  const totals: Record<JobStanding, number> = { ...noJobs };
  for (const state of states) totals[standingOf(state)] += 1;
  return totals;
};

/** Whether a state belongs on the page between the query's cursor and `next`, the cursor of the page after it. */
export function isOnPage(state: JobState, { cursor, ...wanted }: JobQuery, next?: string): boolean {
  if (!matches(state, wanted)) return false;
  if (cursor !== undefined && newestFirst(state, positionOf(cursor)) <= 0) return false;
  return next === undefined || newestFirst(state, positionOf(next)) <= 0;
}

/** A page of states that are all in memory. Throws `InvalidCursor`. */
export function pageOf(states: readonly JobState[], { limit, cursor, ...wanted }: JobQuery): JobPage {
  const sorted = states.filter((state) => matches(state, wanted)).sort(newestFirst);
  const after = cursor === undefined ? undefined : positionOf(cursor);
  const rest = after === undefined ? sorted : sorted.filter((state) => newestFirst(state, after) > 0);
  const jobs = rest.slice(0, limit);
  const last = jobs.at(-1);
  const ofUser = states.filter(({ userId }) => wanted.userId === undefined || userId === wanted.userId);
  return {
    jobs,
    totals: totalsOf(ofUser),
    ...(last !== undefined && rest.length > limit && { cursor: cursorAt(last) }),
  };
}
