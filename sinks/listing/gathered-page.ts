import { defer, EMPTY, expand, last, map, type Observable } from 'rxjs';
import { bounds } from '../../streams/bounds';
import type { JobState } from '../../streams/job/job-state';
import {
  cursorAt,
  matches,
  noJobs,
  positionOf,
  type JobPage,
  type JobQuery,
  type JobTotals,
  type Position,
} from './job-page';

/** A page that is being gathered. */
export interface Gathered {
  readonly jobs: readonly JobState[];
  /** Characters of their JSON. */
  readonly held: number;
  /** The last position of the index that was read. */
  readonly after: Position | undefined;
  readonly totals: JobTotals;
  /** How many states were read for it. */
  readonly reads: number;
  /** And how many characters they have. */
  readonly read: number;
  readonly more: boolean;
}

/** What a job's key held: the state if it can be read, and characters of its JSON. */
export interface StateRead {
  readonly state: JobState | undefined;
  readonly length: number;
}

/** One read of the index: its positions, and what was read of them. */
export interface IndexRead {
  readonly positions: readonly Position[];
  readonly found: readonly StateRead[];
  readonly totals: JobTotals;
  readonly more: boolean;
}

/** Adds the states of one read that match. */
export function gatheredWith(
  before: Gathered,
  { positions, found, totals, more }: IndexRead,
  query: JobQuery,
): Gathered {
  const fitting = found.flatMap(({ state, length }) => (state && matches(state, query) ? [{ state, length }] : []));
  return {
    jobs: [...before.jobs, ...fitting.map(({ state }) => state)],
    held: before.held + charactersOf(fitting),
    after: positions.at(-1) ?? before.after,
    totals,
    reads: before.reads + found.length,
    read: before.read + charactersOf(found),
    more,
  };
}

const charactersOf = (found: readonly StateRead[]): number => found.reduce((sum, { length }) => sum + length, 0);

/** Entries of the index that the first read takes, before it is known how long the states are; and any other. */
const FIRST = 32;
const MOST = 250;

/**
 * How many entries the next read takes: as many as have `bounds.answerBytes` by what was read so far, and no more than
 * the page lacks where each of them belongs on it.
 */
export function nextReads({ jobs, reads, read }: Gathered, query: JobQuery): number {
  const isSearch = query.type !== undefined || query.characterId !== undefined || query.text !== undefined;
  const lacking = isSearch ? MOST : query.limit + 1 - jobs.length;
  const fitting = reads === 0 ? FIRST : Math.max(1, Math.floor((bounds.answerBytes * reads) / Math.max(read, 1)));
  return Math.min(lacking, fitting, MOST);
}

/**
 * Reads the index again and again, until nothing is left, or the page has its jobs, or `bounds.answerBytes` of them, or
 * as much was read as is for one page. Errors with `InvalidCursor`.
 */
export const gatheredPage = (query: JobQuery, look: (before: Gathered) => Observable<Gathered>): Observable<JobPage> =>
  defer(() => {
    const { limit, cursor } = query;
    const after = cursor === undefined ? undefined : positionOf(cursor);
    const isDone = ({ jobs, held, more, reads, read }: Gathered): boolean =>
      !more ||
      jobs.length > limit ||
      held >= bounds.answerBytes ||
      reads >= bounds.pageReads ||
      read >= bounds.pageReadBytes;
    return look({ jobs: [], held: 0, after, totals: noJobs, reads: 0, read: 0, more: true }).pipe(
      expand((gathered) => (isDone(gathered) ? EMPTY : look(gathered))),
      last(),
      map((gathered): JobPage => {
        const jobs = gathered.jobs.slice(0, limit);
        const end = gathered.jobs.length > limit ? jobs.at(-1) : gathered.more ? gathered.after : undefined;
        return {
          jobs,
          totals: gathered.totals,
          read: gathered.read,
          ...(end !== undefined && { cursor: cursorAt(end) }),
        };
      }),
    );
  });
