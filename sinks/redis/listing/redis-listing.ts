import {
  concat,
  concatMap,
  defer,
  distinct,
  EMPTY,
  expand,
  from,
  ignoreElements,
  map,
  mergeMap,
  of,
  ReplaySubject,
  share,
  toArray,
  type Observable,
} from 'rxjs';
import { isSettled, sessionOf, standingOf, type JobState } from '../../../streams/job/job-state';
import { orNothing, type Report } from '../../../streams/operators/reporting';
import { JOB_KEY_PREFIX, type JobStore } from '../../job-store';
import { gatheredPage, gatheredWith, nextReads, type Gathered } from '../../listing/gathered-page';
import { matches, STANDINGS, UNSETTLED, type JobPage, type JobQuery, type Position } from '../../listing/job-page';
import { redisKeys } from '../connection/scan';
import type { RedisNodes } from '../connection/topology';
import type { IndexEntry } from './index-page';
import { ownerOf, type RedisIndex } from './redis-index';
import { portions, storedStates, type Read, type Reads } from './stored-states';

/** Entries healed at a time. */
const HEALS = 16;
/** Entries of live jobs read at once: most jobs are known, and their states are not read. */
const ENTRIES = 1_000;

type IsKnown = (promptId: string) => boolean;
const noneKnown: IsKnown = () => false;

export type RedisListing = Pick<JobStore, 'page' | 'live' | 'liveOf' | 'usage'>;

/** Lists jobs by the index. Each state is read, and entries that it shows to be stale are healed. */
export function redisListing(nodes: RedisNodes, index: RedisIndex, report: Report): RedisListing {
  const reads = storedStates(nodes, report);
  const adopted$ = adopted(nodes, index, reads);
  return {
    page: (query) => named(index, reads, query),
    live: (isKnown = noneKnown) =>
      concat(
        adopted$,
        defer(() => indexedLive(index, reads, isKnown)),
      ),
    liveOf: (clientId, isKnown = noneKnown) =>
      concat(
        adopted$,
        defer(() => watchedBy(index, reads, clientId, isKnown)),
      ),
    usage: (userId, besides = []) =>
      index.usage(ownerOf(userId), besides).pipe(map(([jobs, bytes]) => ({ jobs, bytes }))),
  };
}

/**
 * Drops entries without a state, and moves those whose state has another standing. That helps the next reader: if it
 * fails, this one has lost nothing.
 */
function healed(
  index: RedisIndex,
  owner: string,
  found: readonly Read[],
  entries: readonly IndexEntry[],
): Observable<never> {
  const filed = new Map(entries.map(({ promptId, standing }) => [promptId, standing]));
  const gone = found.filter(({ isGone }) => isGone).map(({ promptId }) => promptId);
  const astray = found.flatMap(({ promptId, state }) =>
    state && filed.get(promptId) !== standingOf(state) ? [state] : [],
  );
  return concat(
    gone.length === 0 ? EMPTY : orNothing(index.drop(owner, gone)),
    from(astray).pipe(mergeMap((state) => orNothing(index.heal(owner, state)), HEALS)),
  );
}

/** If `text` is a whole job id, that job is found however many are newer. */
function named(index: RedisIndex, reads: Reads, query: JobQuery): Observable<JobPage> {
  const { text = '', cursor } = query;
  if (text === '' || cursor !== undefined) return listed(index, reads, query);
  return reads([text]).pipe(
    concatMap(({ state }) =>
      state === undefined || !matches(state, query)
        ? listed(index, reads, query)
        : index
            .entries({ owner: ownerOf(query.userId), standings: [], most: 0 })
            .pipe(map(({ totals }): JobPage => ({ jobs: [state], totals }))),
    ),
  );
}

function listed(index: RedisIndex, reads: Reads, query: JobQuery): Observable<JobPage> {
  const owner = ownerOf(query.userId);
  const { status: standings = STANDINGS, since = Number.NEGATIVE_INFINITY, until } = query;

  const look = (before: Gathered): Observable<Gathered> => {
    const most = nextReads(before, query);
    return index.entries({ owner, standings, most, after: before.after, until }).pipe(
      concatMap(({ entries, more, totals }) => {
        const wanted = entries.filter(({ startedAt }) => startedAt >= since);
        return reads(wanted.map(({ promptId }) => promptId)).pipe(
          toArray(),
          concatMap((found) => concat(healed(index, owner, found, entries), of(found))),
          map((found) => {
            const isMore = more && wanted.length === entries.length;
            return gatheredWith(before, { positions: entries, found, totals, more: isMore }, query);
          }),
        );
      }),
    );
  };
  return gatheredPage(query, look);
}

function indexedLive(index: RedisIndex, reads: Reads, isKnown: IsKnown): Observable<JobState> {
  const owner = ownerOf(undefined);
  const entriesAfter = (after?: Position) => index.entries({ owner, standings: UNSETTLED, most: ENTRIES, after });
  return entriesAfter().pipe(
    expand(({ entries, more }) => (more ? entriesAfter(entries.at(-1)) : EMPTY)),
    concatMap(({ entries }) => from(portions(entries.filter(({ promptId }) => !isKnown(promptId))))),
    concatMap((entries) =>
      reads(entries.map(({ promptId }) => promptId)).pipe(
        toArray(),
        concatMap((found) => concat(from(found), healed(index, owner, found, entries))),
      ),
    ),
    concatMap(({ state }) => (state === undefined || isSettled(state) ? EMPTY : of(state))),
    distinct(({ promptId }) => promptId),
  );
}

function watchedBy(index: RedisIndex, reads: Reads, clientId: string, isKnown: IsKnown): Observable<JobState> {
  return index.watched(clientId).pipe(
    concatMap((promptIds) => from(portions(promptIds.filter((promptId) => !isKnown(promptId))))),
    concatMap((promptIds) => reads(promptIds).pipe(toArray())),
    concatMap((found) => {
      const isWatched = ({ state }: Read): boolean =>
        state !== undefined && !isSettled(state) && (sessionOf(state) ?? '') === clientId;
      const stale = found.filter((read) => !isWatched(read)).map(({ promptId }) => promptId);
      const states = found.filter(isWatched).flatMap(({ state }) => (state ? [state] : []));
      return concat(from(states), stale.length === 0 ? EMPTY : orNothing(index.dropWatched(clientId, stale)));
    }),
  );
}

/**
 * Adds states to the index that older versions or other programs wrote without it: once, and all states once more after
 * a part of the index was lost (R17).
 */
function adopted(nodes: RedisNodes, index: RedisIndex, reads: Reads): Observable<never> {
  let isDamaged = false;
  index.damaged$.subscribe(() => (isDamaged = true));
  return redisKeys(nodes, `${JOB_KEY_PREFIX}*`).pipe(
    concatMap((keys) => from(portions(keys.map((key) => key.slice(JOB_KEY_PREFIX.length))))),
    concatMap((promptIds) => (isDamaged ? of(promptIds) : index.missing(promptIds))),
    concatMap(reads),
    mergeMap(({ state }) => (state === undefined ? EMPTY : concat(index.before(state), index.after(state))), HEALS),
    ignoreElements(),
    share({
      connector: () => new ReplaySubject<never>(1),
      resetOnComplete: () => index.damaged$,
      resetOnError: true,
      resetOnRefCountZero: false,
    }),
  );
}
