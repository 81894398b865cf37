import type { JobStanding } from '../../../streams/job/job-state';
import { newestFirst, noJobs, STANDINGS, type JobTotals, type Position } from '../../listing/job-page';
import type { IndexPage } from '../scripts/jobs';

/** An entry of the index. Its state may be gone by now, or have another standing. */
export interface IndexEntry extends Position {
  readonly standing: JobStanding;
}

export interface EntriesQuery {
  readonly owner: string;
  readonly standings: readonly JobStanding[];
  readonly most: number;
  readonly after?: Position | undefined;
  /** Submitted before this time, ms since 1970. */
  readonly until?: number | undefined;
}

export interface Entries {
  readonly entries: readonly IndexEntry[];
  /** Whether there may be others after these. */
  readonly more: boolean;
  readonly totals: JobTotals;
}

/** Reads the answer of `index/page.lua`, asked for `most` entries of each standing in `wanted`. */
export function entriesOf([counts, ...lists]: IndexPage, wanted: readonly JobStanding[], most: number): Entries {
  const found = lists.flatMap((list, i) => entriesIn(list, wanted[i] ?? 'queued')).sort(newestFirst);
  const each = STANDINGS.map((standing, i) => [standing, counts[i] ?? 0]);
  return {
    entries: found.slice(0, most),
    more: found.length >= most,
    totals: { ...noJobs, ...(Object.fromEntries(each) as JobTotals) },
  };
}

const entriesIn = (list: readonly string[], standing: JobStanding): readonly IndexEntry[] =>
  list.flatMap((promptId, i) => (i % 2 === 0 ? [{ promptId, startedAt: Number(list[i + 1]), standing }] : []));
