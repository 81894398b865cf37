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
  map,
  of,
  ReplaySubject,
  scheduled,
  share,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { isSettled, sessionOf, type JobState } from '../../../streams/job/job-state';
import type { Report } from '../../../streams/operators/reporting';
import { decodeJobState } from '../../codecs/job-state.codec';
import { toldOnce } from '../../codecs/told-once';
import { jobKey, type JobStore } from '../../job-store';
import { gatheredPage, gatheredWith, nextReads, type Gathered, type StateRead } from '../../listing/gathered-page';
import { matches, STANDINGS, UNSETTLED, type JobPage, type JobQuery, type Position } from '../../listing/job-page';
import { alive } from '../file/expiry';
import type { LmdbFile } from '../file/lmdb-file';
import type { EmbeddedIndex } from './embedded-index';
import { indexing } from './indexing';

/** States read at once; the event loop goes on in between. */
const CHUNK = 250;

export interface ListingParts {
  readonly file: LmdbFile;
  readonly index: EmbeddedIndex;
  readonly clock: SchedulerLike;
  readonly report: Report;
}

type IsKnown = (promptId: string) => boolean;

/** Lists jobs by the index. It is committed with the states, so that only entries of expired states are stale. */
export function embeddedListing(parts: ListingParts): Pick<JobStore, 'page' | 'live' | 'liveOf' | 'usage'> {
  const { index } = parts;
  const readable = readableStates(parts);
  const chunked = chunkedStates(readable);
  const indexed$ = indexing(parts).pipe(
    share({ connector: () => new ReplaySubject<never>(1), resetOnComplete: false, resetOnRefCountZero: false }),
  );

  return {
    page: (query) => defer(() => named(index, readable, query) ?? listed(index, readable, query)),
    live: (isKnown) =>
      concat(
        indexed$,
        chunked<Position>(
          (after) => index.entries({ standings: UNSETTLED, most: CHUNK, after }),
          ({ promptId }) => promptId,
          isKnown,
        ),
      ),
    liveOf: (clientId, isKnown) =>
      concat(
        indexed$,
        chunked<string>(
          (after) => index.watched(clientId, CHUNK, after),
          (promptId) => promptId,
          isKnown,
        ).pipe(filter((state) => (sessionOf(state) ?? '') === clientId)),
      ),
    usage: (userId, besides = []) => defer(() => of(index.usage(userId, besides))),
  };
}

type Readable = (promptId: string) => StateRead;

function readableStates({ file, clock, report }: ListingParts): Readable {
  const tell = toldOnce('embedded list', report);
  return (promptId) => {
    const key = jobKey(promptId);
    const entry = alive(file, key, clock);
    if (entry === undefined) return { state: undefined, length: 0 };
    const state = decodeJobState(key, entry.text);
    if (E.isLeft(state)) tell(state.left);
    return { state: E.isRight(state) ? state.right : undefined, length: entry.text.length };
  };
}

const statesOf = (found: readonly StateRead[]): readonly JobState[] =>
  found.flatMap(({ state }) => (state === undefined ? [] : [state]));

/** A page for a `text` that is a whole job id: that job is found however many are newer. */
function named(index: EmbeddedIndex, readable: Readable, query: JobQuery): Observable<JobPage> | undefined {
  const { text = '', cursor, userId } = query;
  const state = text === '' || cursor !== undefined ? undefined : readable(text).state;
  return state && matches(state, query) ? of({ jobs: [state], totals: index.totals(userId) }) : undefined;
}

function listed(index: EmbeddedIndex, readable: Readable, query: JobQuery): Observable<JobPage> {
  const { userId, status: standings = STANDINGS, since = Number.NEGATIVE_INFINITY, until } = query;

  function looked(before: Gathered): Gathered {
    const most = nextReads(before, query);
    const positions = index.entries({ userId, standings, most, after: before.after, until });
    const wanted = positions.filter(({ startedAt }) => startedAt >= Math.floor(since));
    const found = wanted.map(({ promptId }) => readable(promptId));
    const more = positions.length >= most && wanted.length === positions.length;
    return gatheredWith(before, { positions, found, totals: index.totals(userId), more }, query);
  }

  return gatheredPage(query, (before) =>
    before.reads === 0 ? of(looked(before)) : scheduled([before], asyncScheduler).pipe(map(looked)),
  );
}

/** The readable unsettled states, by chunks of ids; `chunkAfter` gives the chunk after the last of the one before. */
const chunkedStates =
  (readable: Readable) =>
  <At>(
    chunkAfter: (at?: At) => readonly At[],
    idOf: (at: At) => string,
    isKnown: IsKnown = () => false,
  ): Observable<JobState> =>
    defer(() => of(chunkAfter())).pipe(
      expand((chunk) =>
        chunk.length < CHUNK ? EMPTY : scheduled([chunk.at(-1)], asyncScheduler).pipe(map((at) => chunkAfter(at))),
      ),
      concatMap((chunk) =>
        from(
          statesOf(
            chunk
              .map(idOf)
              .filter((promptId) => !isKnown(promptId))
              .map(readable),
          ),
        ),
      ),
      filter((state) => !isSettled(state)),
    );
