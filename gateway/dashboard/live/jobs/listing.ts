import { signal, type ReadonlySignal } from '@preact/signals';
import { isSettled } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import type { Wanted } from '../../model/wanted';
import { Refused, type Api, type JobPage, type Totals } from '../api';
import type { JobCache } from './job-cache';
import { userTotals } from './user-totals';
import { ENDED, nameOf, queryOf, type Query } from './wanted-query';

/** Fetches jobs into the cache: all live ones, and those that ended page by page. */
export interface Listing {
  /** Whether `look` has succeeded once. */
  readonly looked: ReadonlySignal<boolean>;
  /** Grows with each answered request for jobs. */
  readonly pages: ReadonlySignal<number>;
  /** Whether the last page held one instance's jobs alone: the gateway's store is away. */
  readonly partial: ReadonlySignal<boolean>;
  /** How many jobs a user has, or all users for '': as last counted, and updated by each change since. */
  totalsOf(user: string): Totals | undefined;
  /** Asks for all counts again: no state tells of jobs that ended during a break, or that the gateway forgot. */
  recount(signal: AbortSignal): Promise<void>;
  /** Fetches all live jobs and the newest that ended, then each known live job that was not listed. */
  look(signal: AbortSignal): Promise<void>;
  /** Fetches the newest of the wanted jobs. */
  ask(wanted: Wanted, signal: AbortSignal): Promise<void>;
  /** Whether these were asked for and answered. */
  isAsked(wanted: Wanted): boolean;
  /** Whether the gateway listed this job for what is wanted: its search covers more than a row shows. */
  isFound(wanted: Wanted, promptId: string): boolean;
  /** Whether the gateway may have more of the wanted jobs. */
  hasOlder(wanted: Wanted): boolean;
  older(wanted: Wanted, signal: AbortSignal): Promise<void>;
  /** Fetches one job by its id; resolves with whether it exists. */
  find(promptId: string, signal: AbortSignal): Promise<boolean>;
  /** Call it with each state that the cache takes. */
  note(job: PublicJob, before: PublicJob | undefined, isNews: boolean): void;
}

const PAGE = '200';
/** `look` fetches about this many live jobs at most; the others come when they are asked for. */
const MOST_LIVE = 5_000;
/** A page of rare jobs may be short: pages are fetched until there are 30 jobs, at most 8. */
const ENOUGH = { jobs: 30, pages: 8 };
/** How many jobs that are no longer listed are asked for at a time. */
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

/** Fetches the live jobs; their ids, or `undefined` if there are more than `MOST_LIVE`. */
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

/** The jobs found for the newest `MOST_ASKED` queries, and the cursor of each. */
function answeredQueries(page: FetchPage, gatewayNow: () => number) {
  const answers = new Map<string, Answered>();
  return {
    of: (wanted: Wanted): Answered | undefined => answers.get(nameOf(wanted)),
    /** Fetches pages from the cursor on, or from the start without one, until `ENOUGH`. */
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

/** Fetches one job by its id; `false` if it does not exist, or the person may not see it. */
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

/** Calls `work` for each id, `AT_A_TIME` at a time. */
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
