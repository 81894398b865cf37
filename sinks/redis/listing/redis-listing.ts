import {
  catchError,
  concat,
  concatMap,
  defer,
  distinct,
  EMPTY,
  expand,
  from,
  ignoreElements,
  last,
  map,
  mergeMap,
  of,
  ReplaySubject,
  share,
  toArray,
  type Observable,
} from 'rxjs';
import { bounds } from '../../../streams/bounds';
import { isSettled, sessionOf, type JobState, type JobStatus } from '../../../streams/job/job-state';
import type { Report } from '../../../streams/operators/reporting';
import {
  cursorAt,
  matches,
  positionOf,
  STATUSES,
  type JobPage,
  type JobQuery,
  type JobTotals,
  type Position,
} from '../../listing/job-page';
import { JOB_KEY_PREFIX, type JobStore } from '../../job-store';
import { redisKeys } from '../connection/scan';
import type { RedisNodes } from '../connection/topology';
import { ownerOf, type IndexEntry, type RedisIndex } from './redis-index';
import { chunks, CHUNK, storedStates, type Read } from './stored-states';

/** Entries healed at a time. */
const HEALS = 16;
/** Entries of live jobs read in one go: of most, nothing else is. */
const ENTRIES = 1_000;
const UNSETTLED: readonly JobStatus[] = ['queued', 'processing'];

type IsKnown = (promptId: string) => boolean;
const nobody: IsKnown = () => false;

/** How far a page has come. */
interface Gathered {
  readonly jobs: readonly JobState[];
  readonly after?: Position | undefined;
  readonly totals: JobTotals;
  readonly reads: number;
  readonly more: boolean;
}

export type RedisListing = Pick<JobStore, 'page' | 'live' | 'liveOf' | 'usage'>;

/** Jobs by the index. Each state is read; what it shows to be stale is healed on the way. */
export function redisListing(nodes: RedisNodes, index: RedisIndex, report: Report): RedisListing {
  const reads = storedStates(nodes, report);

  /** Healing is for the next reader: where it fails, this one has lost nothing. */
  const quietly = (work$: Observable<never>): Observable<never> => work$.pipe(catchError(() => EMPTY));

  const healed = (owner: string, found: readonly Read[], entries: readonly IndexEntry[]): Observable<never> => {
    const filed = new Map(entries.map(({ promptId, status }) => [promptId, status]));
    const gone = found.filter(({ isGone }) => isGone).map(({ promptId }) => promptId);
    const astray = found.flatMap(({ promptId, state }) =>
      state && filed.get(promptId) !== state.status ? [state] : [],
    );
    return concat(
      gone.length === 0 ? EMPTY : quietly(index.drop(owner, gone)),
      from(astray).pipe(mergeMap((state) => quietly(index.heal(owner, state)), HEALS)),
    );
  };

  /** The next entries of a page and their states. */
  const gathering = (
    query: JobQuery,
    statuses: readonly JobStatus[],
    most: number,
    before: Gathered,
  ): Observable<Gathered> => {
    const owner = ownerOf(query.userId);
    const { since = Number.NEGATIVE_INFINITY, until } = query;
    return index.entries({ owner, statuses, most, after: before.after, until }).pipe(
      concatMap(({ entries, more, totals }) => {
        const wanted = entries.filter(({ startedAt }) => startedAt >= since);
        return reads(wanted.map(({ promptId }) => promptId)).pipe(
          toArray(),
          concatMap((found) => concat(healed(owner, found, entries), of(found))),
          map((found): Gathered => {
            const states = found.flatMap(({ state }) => (state && matches(state, query) ? [state] : []));
            return {
              jobs: [...before.jobs, ...states],
              after: entries.at(-1) ?? before.after,
              totals,
              reads: before.reads + wanted.length,
              more: more && wanted.length === entries.length,
            };
          }),
        );
      }),
    );
  };

  const page = (query: JobQuery): Observable<JobPage> =>
    defer(() => {
      const { limit, cursor, status: statuses = STATUSES } = query;
      const isNarrow = query.type !== undefined || query.characterId !== undefined || query.text !== undefined;
      const first = limit + 1;
      const start: Gathered = {
        jobs: [],
        totals: NONE,
        reads: 0,
        more: true,
        after: cursor === undefined ? undefined : positionOf(cursor),
      };
      const isDone = ({ jobs, more, reads }: Gathered): boolean =>
        !more || jobs.length > limit || reads >= bounds.pageReads;
      return gathering(query, statuses, isNarrow ? Math.max(first, CHUNK) : first, start).pipe(
        expand((so) => (isDone(so) ? EMPTY : gathering(query, statuses, CHUNK, so))),
        last(),
        map(({ jobs, after, totals, more }): JobPage => {
          const shown = jobs.slice(0, limit);
          const end = jobs.length > limit ? shown.at(-1) : more ? after : undefined;
          return { jobs: shown, totals, ...(end !== undefined && { cursor: cursorAt(end) }) };
        }),
      );
    });

  /** Whoever looks for a job by its whole id finds it, however old it is. */
  const named = (query: JobQuery): Observable<JobPage> => {
    const { text = '', cursor } = query;
    if (text === '' || cursor !== undefined) return page(query);
    return reads([text]).pipe(
      concatMap(({ state }) =>
        state === undefined || !matches(state, query)
          ? page(query)
          : index
              .entries({ owner: ownerOf(query.userId), statuses: [], most: 0 })
              .pipe(map(({ totals }): JobPage => ({ jobs: [state], totals }))),
      ),
    );
  };

  const indexedLive = (isKnown: IsKnown): Observable<JobState> => {
    const owner = ownerOf(undefined);
    const entriesAfter = (after?: Position) => index.entries({ owner, statuses: UNSETTLED, most: ENTRIES, after });
    return entriesAfter().pipe(
      expand(({ entries, more }) => (more ? entriesAfter(entries.at(-1)) : EMPTY)),
      concatMap(({ entries }) => from(chunks(entries.filter(({ promptId }) => !isKnown(promptId))))),
      concatMap((entries) =>
        reads(entries.map(({ promptId }) => promptId)).pipe(
          toArray(),
          concatMap((found) => concat(from(found), healed(owner, found, entries))),
        ),
      ),
      concatMap(({ state }) => (state === undefined || isSettled(state) ? EMPTY : of(state))),
      distinct(({ promptId }) => promptId),
    );
  };

  const watchedBy = (clientId: string, isKnown: IsKnown): Observable<JobState> =>
    index.watched(clientId).pipe(
      concatMap((promptIds) => from(chunks(promptIds.filter((promptId) => !isKnown(promptId))))),
      concatMap((promptIds) => reads(promptIds).pipe(toArray())),
      concatMap((found) => {
        const isWatched = ({ state }: Read): boolean =>
          state !== undefined && !isSettled(state) && (sessionOf(state) ?? '') === clientId;
        const stale = found.filter((read) => !isWatched(read)).map(({ promptId }) => promptId);
        const states = found.filter(isWatched).flatMap(({ state }) => (state ? [state] : []));
        return concat(from(states), stale.length === 0 ? EMPTY : quietly(index.dropWatched(clientId, stale)));
      }),
    );

  /** What older writers, and others, left without an index. Once: nothing reads the keyspace again. */
  const adopted$ = redisKeys(nodes, `${JOB_KEY_PREFIX}*`).pipe(
    concatMap((keys) => from(chunks(keys.map((key) => key.slice(JOB_KEY_PREFIX.length))))),
    concatMap((promptIds) => index.missing(promptIds)),
    concatMap(reads),
    mergeMap(({ state }) => (state === undefined ? EMPTY : concat(index.before(state), index.after(state))), HEALS),
    ignoreElements(),
    share({
      connector: () => new ReplaySubject<never>(1),
      resetOnComplete: false,
      resetOnError: true,
      resetOnRefCountZero: false,
    }),
  );

  return {
    page: named,
    live: (isKnown = nobody) =>
      concat(
        adopted$,
        defer(() => indexedLive(isKnown)),
      ),
    liveOf: (clientId, isKnown = nobody) =>
      concat(
        adopted$,
        defer(() => watchedBy(clientId, isKnown)),
      ),
    usage: (userId) =>
      index
        .entries({ owner: ownerOf(userId), statuses: [], most: 0 })
        .pipe(map(({ totals, bytes }) => ({ jobs: totals.queued + totals.processing, bytes }))),
  };
}

const NONE: JobTotals = { queued: 0, processing: 0, completed: 0, failed: 0 };
