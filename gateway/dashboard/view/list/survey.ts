import type { PublicJob } from '../../../wire/public-job';
import type { Totals } from '../../live/api';
import { anyJob, fitsFields, isChosen, standingOf, standings, type Standing, type Wanted } from '../../model/wanted';
import type { Count } from './filters';

/** How many names a filter offers: more would not help to choose. */
const MOST_NAMES = 50;

/** The jobs to show, the counts by standing, and the names that the filters offer. */
export interface Survey {
  readonly shown: readonly PublicJob[];
  readonly counts: Readonly<Record<Standing | 'all', Count>>;
  readonly types: readonly string[];
  readonly users: readonly string[];
  readonly characters: readonly string[];
}

interface Asked {
  readonly now: number;
  /** Whether the gateway listed this job for the filters: its search covers more than a row shows. */
  readonly isFound: (promptId: string) => boolean;
  /** The gateway's counts of the wanted user, or of all users. */
  readonly totals: Totals | undefined;
  /** Whether the gateway may have more of the wanted jobs. */
  readonly hasOlder: boolean;
  /** Whether all of the gateway's jobs are here. */
  readonly isAll: boolean;
}

/** Filters and counts the jobs. The gateway's totals are used as counts if no filter but user and standing is set. */
export function surveyOf(
  jobs: Iterable<PublicJob>,
  wanted: Wanted,
  { now, isFound, totals, hasOlder, isAll }: Asked,
): Survey {
  const shown: PublicJob[] = [];
  const known: Record<Standing, number> = { running: 0, waiting: 0, completed: 0, failed: 0, cancelled: 0 };
  const types = new Set<string>();
  const users = new Set<string>();
  const characters = new Set<string>();
  for (const job of jobs) {
    types.add(job.type);
    users.add(job.userId);
    if (job.characterId !== undefined) characters.add(job.characterId);
    if (!fitsFields(job, wanted, now) && !isFound(job.promptId)) continue;
    known[standingOf(job)] += 1;
    if (isChosen(job, wanted)) shown.push(job);
  }
  const counts =
    isOfUser(wanted) && totals
      ? exactCounts(totals)
      : countsSoFar(known, (standing) => !isAll && (hasOlder || !isAmong(standing, wanted)));
  return { shown, counts, types: named(types), users: named(users), characters: named(characters) };
}

const named = (names: ReadonlySet<string>): readonly string[] => [...names].sort().slice(0, MOST_NAMES);

/** Whether no filter but user and standing is set. */
const isOfUser = (wanted: Wanted): boolean =>
  (Object.keys(anyJob) as (keyof Wanted)[]).every(
    (name) => name === 'standings' || name === 'user' || wanted[name] === '',
  );

const isAmong = (standing: Standing, { standings: chosen }: Wanted): boolean =>
  chosen.length === 0 || chosen.includes(standing);

type Counts = Record<Standing | 'all', Count>;

function countsSoFar(known: Readonly<Record<Standing, number>>, hasMore: (standing: Standing) => boolean): Counts {
  const each = standings.map((standing) => [standing, { n: known[standing], more: hasMore(standing) }] as const);
  const all = {
    n: each.reduce((sum, [, { n }]) => sum + n, 0),
    more: each.some(([, { more }]) => more),
  };
  return { ...(Object.fromEntries(each) as Record<Standing, Count>), all };
}

function exactCounts(totals: Totals): Counts {
  const exactly = (n: number): Count => ({ n, more: false });
  return {
    all: exactly(Object.values(totals).reduce((sum, n) => sum + n, 0)),
    running: exactly(totals.processing),
    waiting: exactly(totals.queued),
    completed: exactly(totals.completed),
    failed: exactly(totals.failed),
    cancelled: exactly(totals.cancelled),
  };
}
