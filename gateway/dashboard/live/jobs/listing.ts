import { signal, type ReadonlySignal } from '@preact/signals';
import { isSettled, standingOf, type JobStanding } from '../../../../streams/job/job-state';
import type { PublicJob } from '../../../wire/public-job';
import { periods, statusesOf, type Wanted } from '../../model/wanted';
import { Refused, type Api, type Totals } from '../api';
import type { Board } from './job-cache';

/** What the gateway lists, brought onto the board: all that is live, and of the others as much as is asked for. */
export interface Listing {
  /** Whether there was a whole look yet. */
  readonly looked: ReadonlySignal<boolean>;
  /** Grows with each page. */
  readonly pages: ReadonlySignal<number>;
  /** Whether the last page held one instance's jobs alone: the gateway's store is away. */
  readonly partial: ReadonlySignal<boolean>;
  /** How many jobs there are of a user, or of all for an empty name, kept up by what is heard since. */
  totalsOf(user: string): Totals | undefined;
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
  /** Is told of each state that the board takes. */
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

type Query = Readonly<Record<string, string>>;

interface Answered {
  /** Where the next page begins; `null` after the last. */
  cursor: string | null;
  readonly found: Set<string>;
}

export function listing(api: Api, board: Board): Listing {
  const looked = signal(false);
  const pages = signal(0);
  const partial = signal(false);
  const answers = new Map<string, Answered>();
  const totals = new Map<string, { readonly at: number; counts: Totals }>();

  const page = async (query: Query, cursor: string | undefined, abort: AbortSignal) => {
    const askedAt = Date.now();
    const answer = await api.list({ ...query, limit: PAGE, ...(cursor !== undefined && { cursor }) }, abort);
    if (answer.totals) totals.set(query['userId'] ?? '', { at: askedAt - board.clockSkewMs(), counts: answer.totals });
    for (const job of answer.jobs) board.take(job);
    partial.value = answer.partial === true;
    return answer;
  };

  async function allLive(abort: AbortSignal): Promise<ReadonlySet<string> | undefined> {
    const ids = new Set<string>();
    let cursor: string | undefined;
    do {
      const { jobs, cursor: next } = await page({ status: 'queued,processing' }, cursor, abort);
      for (const { promptId } of jobs) ids.add(promptId);
      cursor = next;
    } while (cursor !== undefined && ids.size < MOST_LIVE);
    return cursor === undefined && !partial.value ? ids : undefined;
  }

  /** Goes on from where the pages of a query ended, until there is something to see. */
  async function more(wanted: Wanted, from: string | undefined, abort: AbortSignal): Promise<void> {
    const name = nameOf(wanted);
    const query = queryOf(wanted, Date.now() - board.clockSkewMs());
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
    pages.value += 1;
  }

  /** What became of those that were live and are no more. */
  async function askFor(ids: readonly string[], abort: AbortSignal): Promise<void> {
    const rest = [...ids];
    const one = async (): Promise<void> => {
      for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
        const promptId = id;
        if (!(await find(promptId, abort))) board.remove(promptId);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, one));
  }

  const find = (promptId: string, abort: AbortSignal): Promise<boolean> =>
    api.get(promptId, abort).then(
      (job) => {
        board.take(job);
        return true;
      },
      (error: unknown) => {
        if (error instanceof Refused && (error.status === 404 || error.status === 400)) return false;
        throw error;
      },
    );

  return {
    looked,
    pages,
    partial,
    totalsOf: (user) => totals.get(user)?.counts,
    async look(abort) {
      const live = [...board.jobs.values()].filter((job) => !isSettled(job));
      const listed = await allLive(abort);
      await more(ENDED, undefined, abort);
      if (listed) {
        const gone = live.map(({ promptId }) => promptId).filter((id) => !listed.has(id) && isLive(board, id));
        await askFor(gone, abort);
      }
      looked.value = true;
    },
    ask: (wanted, abort) => more(wanted, undefined, abort),
    isAsked: (wanted) => answers.has(nameOf(wanted)),
    isFound: (wanted, promptId) => answers.get(nameOf(wanted))?.found.has(promptId) ?? false,
    hasOlder: (wanted) => answers.get(nameOf(wanted))?.cursor != null,
    older: (wanted, abort) => more(wanted, answers.get(nameOf(wanted))?.cursor ?? undefined, abort),
    find,
    note(job, before, isNews) {
      if (!isNews || before?.status === job.status) return;
      for (const [user, { at, counts }] of totals) {
        if (user !== '' && user !== job.userId) continue;
        // Of an older one that was not known it cannot be told what it was counted as.
        if (before === undefined && job.startedAt <= at) continue;
        const next: Record<JobStanding, number> = { ...counts };
        if (before) next[standingOf(before)] = Math.max(0, next[standingOf(before)] - 1);
        next[standingOf(job)] += 1;
        totals.set(user, { at, counts: next });
      }
    },
  };
}

const isLive = (board: Board, id: string): boolean => {
  const job = board.jobs.get(id);
  return job !== undefined && !isSettled(job);
};

const ENDED: Wanted = {
  standings: ['completed', 'failed', 'cancelled'],
  type: '',
  user: '',
  character: '',
  text: '',
  within: '',
};

/** All that is live is here already: without a choice, what is asked for has ended. */
const withoutLive = (wanted: Wanted): Wanted =>
  Object.entries(wanted).every(([name, value]) => name === 'standings' || value === '') && wanted.standings.length === 0
    ? ENDED
    : wanted;

/** The same query has the same name, whenever it is asked. */
const nameOf = (wanted: Wanted): string => {
  const { standings, ...fields } = withoutLive(wanted);
  return JSON.stringify([statusesOf(standings), fields]);
};

function queryOf(wanted: Wanted, now: number): Query {
  const { standings, type, user, character, text, within } = withoutLive(wanted);
  const statuses = statusesOf(standings);
  const period = periods[within];
  const fields = {
    status: statuses.length === 5 ? '' : statuses.join(','),
    type,
    userId: user.trim(),
    characterId: character.trim(),
    text: text.trim(),
    since: period === undefined ? '' : String(now - period),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}
