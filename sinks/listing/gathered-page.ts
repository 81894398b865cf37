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
  /** The last position of the index that was read. */
  readonly after: Position | undefined;
  readonly totals: JobTotals;
  /** How many states were read for it. */
  readonly reads: number;
  /** And how many characters they have. */
  readonly read: number;
  readonly more: boolean;
}

/** One read of the index: its positions, and the states that were read of them. */
export interface IndexRead {
  readonly positions: readonly Position[];
  readonly states: readonly JobState[];
  readonly reads: number;
  readonly read: number;
  readonly totals: JobTotals;
  readonly more: boolean;
}

/** Adds the states of one read that match. */
export const gatheredWith = (before: Gathered, found: IndexRead, query: JobQuery): Gathered => ({
  jobs: [...before.jobs, ...found.states.filter((state) => matches(state, query))],
  after: found.positions.at(-1) ?? before.after,
  totals: found.totals,
  reads: before.reads + found.reads,
  read: before.read + found.read,
  more: found.more,
});

/**
 * Reads the index again and again, until the page is full, nothing is left or `bounds.pageReads` states were read.
 * Errors with `InvalidCursor`.
 */
export const gatheredPage = (query: JobQuery, look: (before: Gathered) => Observable<Gathered>): Observable<JobPage> =>
  defer(() => {
    const { limit, cursor } = query;
    const after = cursor === undefined ? undefined : positionOf(cursor);
    const isDone = ({ jobs, more, reads }: Gathered): boolean =>
      !more || jobs.length > limit || reads >= bounds.pageReads;
    return look({ jobs: [], after, totals: noJobs, reads: 0, read: 0, more: true }).pipe(
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
