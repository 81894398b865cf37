import { signal, type ReadonlySignal } from '@preact/signals';
import { isSettled } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import type { Wanted } from '../../model/wanted';
import { Refused, type Api, type JobPage, type Totals } from '../api';
import type { JobCache } from './job-cache';
import { userTotals } from './user-totals';
import { ENDED, nameOf, queryOf, type Query } from './wanted-query';

/** What the gateway lists, brought into the cache: all that is live, and of the others as much as is asked for. */
export interface Listing {
  /** Whether there was a whole look yet. */
  readonly looked: ReadonlySignal<boolean>;
  /** Grows with each page. */
  readonly pages: ReadonlySignal<number>;
  /** Whether the last page held one instance's jobs alone: the gateway's store is away. */
  readonly partial: ReadonlySignal<boolean>;
  /** How many jobs there are of a user, or of all for an empty name, kept up by what is heard since. */
  totalsOf(user: string): Totals | undefined;
  /** Asks anew for all counts: what ended while nothing was heard, or is kept no longer, is told by no state. */
  recount(signal: AbortSignal): Promise<void>;
  /** Brings everything live and the newest that ended; what is live no more is asked for. */
  look(signal: AbortSignal): Promise<void>;
  /** Brings the newest of those wanted. */
  ask(wanted: Wanted, signal: AbortSignal): Promise<void>;
  /** Whether this was asked for and answered. */
  isAsked(wanted: Wanted): boolean;
  /** Whether the gateway found a job for what is wanted: it looks into more than a row shows. */
  isFound(wanted: Wanted, promptId: string): boolean;
  /** Whether there may be more of this kind that are not here yet. */
  hasOlder(wanted: Wanted): boolean;
  older(wanted: Wanted, signal: AbortSignal): Promise<void>;
  /** Brings one job by its id; whether there is one. */
  find(promptId: string, signal: AbortSignal): Promise<boolean>;
  /** Is told of each state that the cache takes. */
  note(job: PublicJob, before: PublicJob | undefined, isNews: boolean): void;
}

const PAGE = '200';
/** Beyond these, the gateway lists live jobs on demand as it does ended ones. */
const MOST_LIVE = 5_000;
/** A page of a rare kind may be short: so many are asked for until there is something to see. */
const ENOUGH = { jobs: 30, pages: 8 };
/** How many jobs that are listed no more are asked for at a time. */
const AT_A_TIME = 6;
const MOST_ASKED = 20;

interface Answered {
  /** Where the next page begins; `null` after the last. */
  readonly cursor: string | null;
  readonly found: Set<string>;
}

export function listing(api: Api, cache: JobCache): Listing {
  const totals = userTotals();
  const looked = signal(false);
  const pages = signal(0);
  const partial = signal(false);
  const asked = async (query: Query & { readonly limit: string }, abort: AbortSignal): Promise<JobPage> => {
    const askedAt = Date.now();
    const answer = await api.list(query, abort);
    if (answer.totals) totals.told(query['userId'] ?? '', answer.totals, askedAt - cache.clockSkewMs());
    return answer;
  };
  const page: FetchPage = async (query, cursor, abort) => {
    const answer = await asked({ ...query, limit: PAGE, ...(cursor !== undefined && { cursor }) }, abort);
    for (const job of answer.jobs) cache.take(job);
    partial.value = answer.partial === true;
    return answer;
  };
  const answers = answeredQueries(page, () => Date.now() - cache.clockSkewMs());
  const find = finding(api, cache);
  const more = async (wanted: Wanted, cursor: string | undefined, abort: AbortSignal): Promise<void> => {
    await answers.more(wanted, cursor, abort);
    pages.value += 1;
  };

  return {
    looked,
    pages,
    partial,
    totalsOf: totals.of,
    async recount(abort) {
      for (const userId of totals.users()) await asked({ limit: '1', ...(userId !== '' && { userId }) }, abort);
      pages.value += 1;
    },
    async look(abort) {
      const live = [...cache.jobs.values()].filter((job) => !isSettled(job));
      const listed = await allLive(page, abort);
      const isWhole = listed !== undefined && !partial.value;
      await more(ENDED, undefined, abort);
      if (isWhole) {
        const gone = live.map(({ promptId }) => promptId).filter((id) => !listed.has(id) && isLive(cache, id));
        await inLanes(gone, async (id) => {
          if (!(await find(id, abort))) cache.remove(id);
        });
      }
      looked.value = true;
    },
    ask: (wanted, abort) => more(wanted, undefined, abort),
    isAsked: (wanted) => answers.of(wanted) !== undefined,
    isFound: (wanted, promptId) => answers.of(wanted)?.found.has(promptId) ?? false,
    hasOlder: (wanted) => answers.of(wanted)?.cursor != null,
    older: (wanted, abort) => more(wanted, answers.of(wanted)?.cursor ?? undefined, abort),
    find,
    note: totals.note,
  };
}

type FetchPage = (query: Query, cursor: string | undefined, abort: AbortSignal) => Promise<JobPage>;

/** The ids of all live jobs; `undefined` where there are more than are listed at once. */
async function allLive(page: FetchPage, abort: AbortSignal): Promise<ReadonlySet<string> | undefined> {
  const ids = new Set<string>();
  let cursor: string | undefined;
  do {
    const { jobs, cursor: next } = await page({ status: 'queued,processing' }, cursor, abort);
    for (const { promptId } of jobs) ids.add(promptId);
    cursor = next;
  } while (cursor !== undefined && ids.size < MOST_LIVE);
  return cursor === undefined ? ids : undefined;
}

/** What was found for the newest `MOST_ASKED` choices, and where each goes on. */
function answeredQueries(page: FetchPage, gatewayNow: () => number) {
  const answers = new Map<string, Answered>();
  return {
    of: (wanted: Wanted): Answered | undefined => answers.get(nameOf(wanted)),
    /** Goes on from where the pages of a query ended, until there is something to see; from the start without a cursor. */
    async more(wanted: Wanted, from: string | undefined, abort: AbortSignal): Promise<void> {
      const name = nameOf(wanted);
      const query = queryOf(wanted, gatewayNow());
      const found = (from === undefined ? undefined : answers.get(name)?.found) ?? new Set<string>();
      const before = found.size;
      let cursor = from;
      for (let n = 0; n < ENOUGH.pages && found.size < before + ENOUGH.jobs; n += 1) {
        const answer = await page(query, cursor, abort);
        for (const { promptId } of answer.jobs) found.add(promptId);
        cursor = answer.cursor;
        if (cursor === undefined) break;
      }
      answers.delete(name);
      answers.set(name, { cursor: cursor ?? null, found });
      for (const oldest of [...answers.keys()].slice(0, -MOST_ASKED)) answers.delete(oldest);
    },
  };
}

/** Brings one job by its id; `false` where there is none, or none that one may see. */
const finding =
  (api: Api, cache: JobCache): Listing['find'] =>
  (promptId, abort) =>
    api.get(promptId, abort).then(
      (job) => {
        cache.take(job);
        return true;
      },
      (error: unknown) => {
        if (error instanceof Refused && (error.status === 404 || error.status === 400)) return false;
        throw error;
      },
    );

/** Does something for each job, for `AT_A_TIME` of them at once. */
async function inLanes(ids: readonly string[], work: (promptId: string) => Promise<void>): Promise<void> {
  const rest = [...ids];
  const lane = async (): Promise<void> => {
    for (let id = rest.pop(); id !== undefined; id = rest.pop()) await work(id);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
}

const isLive = (cache: JobCache, id: string): boolean => {
  const job = cache.jobs.get(id);
  return job !== undefined && !isSettled(job);
};
