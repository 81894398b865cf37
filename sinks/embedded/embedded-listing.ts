import * as E from 'fp-ts/Either';
import {
  asyncScheduler,
  concat,
  concatMap,
  defer,
  EMPTY,
  expand,
  filter,
  from,
  ignoreElements,
  last,
  map,
  of,
  ReplaySubject,
  scheduled,
  share,
  type Observable,
} from 'rxjs';
import { bounds } from '../../streams/bounds';
import { isSettled, sessionOf, type JobStanding, type JobState } from '../../streams/job/job-state';
import type { Report } from '../../streams/operators/reporting';
import { cursorAt, matches, positionOf, STANDINGS, type JobPage, type JobQuery, type Position } from '../job-page';
import { decodeJobState } from '../job-state.codec';
import { JOB_KEY_PREFIX, jobKey, type JobStore } from '../job-store';
import { dueLater, DUE_PREFIX } from './embedded-expiry';
import { INDEX_PREFIX, type EmbeddedIndex } from './embedded-index';
import { CLAIM_PREFIX } from './file-claim';
import type { Entry, LmdbFile, Txn } from './lmdb-file';

/** States read in one go, between which the event loop goes on. */
const CHUNK = 250;
const UNSETTLED: readonly JobStanding[] = ['queued', 'processing'];

/** That all of the file is in the index. */
const INDEXED_KEY = `${INDEX_PREFIX}done`;

export interface ListingParts {
  readonly file: LmdbFile;
  readonly index: EmbeddedIndex;
  /** An entry whose time is not over. */
  readonly alive: (from: Pick<Txn, 'read'>, key: string) => Entry | undefined;
  readonly report: Report;
}

type IsKnown = (promptId: string) => boolean;

const unknown = (promptIds: readonly string[], isKnown: IsKnown): readonly string[] =>
  promptIds.filter((promptId) => !isKnown(promptId));

/** How far a page has come. */
interface Gathered {
  readonly jobs: readonly JobState[];
  readonly after: Position | undefined;
  readonly reads: number;
  readonly more: boolean;
}

/** Jobs by the index, which is committed with the states and so is never stale, but for those whose time is over. */
export function embeddedListing(parts: ListingParts): Pick<JobStore, 'page' | 'live' | 'liveOf' | 'usage'> {
  const { file, index, alive, report } = parts;
  const reported = new Set<string>();

  /** Reports each unreadable value once: it is met at every look. */
  function readable(promptId: string): readonly JobState[] {
    const key = jobKey(promptId);
    const entry = alive(file, key);
    const state = entry && decodeJobState(key, entry.text);
    if (state === undefined || E.isRight(state)) return state === undefined ? [] : [state.right];
    if (!reported.has(key) && reported.size < bounds.unreadableKeys) report('embedded list', state.left);
    reported.add(key);
    return [];
  }

  function gathered(query: JobQuery, most: number, before: Gathered): Gathered {
    const { userId, status: standings = STANDINGS, since = Number.NEGATIVE_INFINITY, until } = query;
    const positions = index.entries({ userId, standings, most, after: before.after, until });
    const wanted = positions.filter(({ startedAt }) => startedAt >= Math.floor(since));
    const states = wanted.flatMap(({ promptId }) => readable(promptId)).filter((state) => matches(state, query));
    return {
      jobs: [...before.jobs, ...states],
      after: positions.at(-1) ?? before.after,
      reads: before.reads + wanted.length,
      more: positions.length >= most && wanted.length === positions.length,
    };
  }

  const page = (query: JobQuery): Observable<JobPage> =>
    defer(() => {
      const { limit, cursor, userId } = query;
      const after = cursor === undefined ? undefined : positionOf(cursor);
      const isDone = ({ jobs, more, reads }: Gathered): boolean =>
        !more || jobs.length > limit || reads >= bounds.pageReads;
      return of(gathered(query, limit + 1, { jobs: [], after, reads: 0, more: true })).pipe(
        expand((so) =>
          isDone(so) ? EMPTY : scheduled([so], asyncScheduler).pipe(map(() => gathered(query, CHUNK, so))),
        ),
        last(),
        map((so): JobPage => {
          const jobs = so.jobs.slice(0, limit);
          const end = so.jobs.length > limit ? jobs.at(-1) : so.more ? so.after : undefined;
          return { jobs, totals: index.totals(userId), ...(end !== undefined && { cursor: cursorAt(end) }) };
        }),
      );
    });

  /** Whoever looks for a job by its whole id finds it, however old it is. */
  const named = (query: JobQuery): Observable<JobPage> =>
    defer(() => {
      const { text = '', cursor, userId } = query;
      const jobs = text === '' || cursor !== undefined ? [] : readable(text).filter((state) => matches(state, query));
      return jobs.length === 0 ? page(query) : of({ jobs, totals: index.totals(userId) });
    });

  /** The readable ones of chunks of ids, each chunk found from where the one before ended. */
  const statesOf = <At>(
    chunkAfter: (at?: At) => readonly At[],
    idOf: (at: At) => string,
    isKnown: IsKnown = () => false,
  ): Observable<JobState> =>
    defer(() => of(chunkAfter())).pipe(
      expand((chunk) =>
        chunk.length < CHUNK ? EMPTY : scheduled([chunk.at(-1)], asyncScheduler).pipe(map((at) => chunkAfter(at))),
      ),
      concatMap((chunk) => from(unknown(chunk.map(idOf), isKnown).flatMap(readable))),
      filter((state) => !isSettled(state)),
    );

  const indexed$ = indexing(parts).pipe(
    share({ connector: () => new ReplaySubject<never>(1), resetOnComplete: false, resetOnRefCountZero: false }),
  );

  return {
    page: named,
    live: (isKnown) =>
      concat(
        indexed$,
        statesOf<Position>(
          (after) => index.entries({ standings: UNSETTLED, most: CHUNK, after }),
          ({ promptId }) => promptId,
          isKnown,
        ),
      ),
    liveOf: (clientId, isKnown) =>
      concat(
        indexed$,
        statesOf<string>(
          (after) => index.watched(clientId, CHUNK, after),
          (promptId) => promptId,
          isKnown,
        ).pipe(filter((state) => (sessionOf(state) ?? '') === clientId)),
      ),
    usage: (userId) =>
      defer(() => {
        const { queued, processing } = index.totals(userId);
        return of({ jobs: queued + processing, bytes: index.bytes(userId) });
      }),
  };
}

/** What an older version left without an index, once for a file. */
function indexing({ file, index, report }: ListingParts): Observable<never> {
  const file$ = file.batches().pipe(
    map((entries) => entries.filter(({ key }) => !OWN.some((prefix) => key.startsWith(prefix)))),
    filter((entries) => entries.length > 0),
    concatMap((entries) =>
      file.transact((txn) => {
        for (const { key, text, until } of entries) {
          dueLater(txn, key, until);
          const state = key.startsWith(JOB_KEY_PREFIX) ? decodeJobState(key, text) : undefined;
          if (state === undefined) continue;
          if (E.isRight(state)) index.put(txn, state.right);
          else report('embedded list', state.left);
        }
      }),
    ),
  );
  const done$ = file.transact((txn) => txn.write({ key: INDEXED_KEY, text: '', until: Number.MAX_SAFE_INTEGER }));
  return defer(() => (file.read(INDEXED_KEY) === undefined ? concat(file$, done$) : EMPTY)).pipe(ignoreElements());
}

const OWN = [INDEX_PREFIX, DUE_PREFIX, CLAIM_PREFIX];
