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
import { gatheredPage, gatheredWith, type Gathered } from '../../listing/gathered-page';
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
  const statesOf = chunkedStates(readable);
  const indexed$ = indexing(parts).pipe(
    share({ connector: () => new ReplaySubject<never>(1), resetOnComplete: false, resetOnRefCountZero: false }),
  );

  return {
    page: (query) => defer(() => named(index, readable, query) ?? listed(index, readable, query)),
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
    usage: (userId, besides = []) => defer(() => of(index.usage(userId, besides))),
  };
}

/** The job's state, or nothing if there is none that can be read. `weigh` hears the characters that were read. */
type Readable = (promptId: string, weigh?: (characters: number) => void) => readonly JobState[];

function readableStates({ file, clock, report }: ListingParts): Readable {
  const tell = toldOnce('embedded list', report);
  return (promptId, weigh) => {
    const key = jobKey(promptId);
    const entry = alive(file, key, clock);
    weigh?.(entry?.text.length ?? 0);
    const state = entry && decodeJobState(key, entry.text);
    if (state === undefined || E.isRight(state)) return state === undefined ? [] : [state.right];
    tell(state.left);
    return [];
  };
}

/** A page for a `text` that is a whole job id: that job is found however many are newer. */
function named(index: EmbeddedIndex, readable: Readable, query: JobQuery): Observable<JobPage> | undefined {
  const { text = '', cursor, userId } = query;
  const jobs = text === '' || cursor !== undefined ? [] : readable(text).filter((state) => matches(state, query));
  return jobs.length === 0 ? undefined : of({ jobs, totals: index.totals(userId) });
}

function listed(index: EmbeddedIndex, readable: Readable, query: JobQuery): Observable<JobPage> {
  const { limit, userId, status: standings = STANDINGS, since = Number.NEGATIVE_INFINITY, until } = query;

  function looked(before: Gathered, most: number): Gathered {
    const positions = index.entries({ userId, standings, most, after: before.after, until });
    const wanted = positions.filter(({ startedAt }) => startedAt >= Math.floor(since));
    let read = 0;
    const states = wanted.flatMap(({ promptId }) => readable(promptId, (characters) => void (read += characters)));
    const more = positions.length >= most && wanted.length === positions.length;
    const totals = index.totals(userId);
    return gatheredWith(before, { positions, states, reads: wanted.length, read, totals, more }, query);
  }

  return gatheredPage(query, (before) =>
    before.reads === 0
      ? of(looked(before, limit + 1))
      : scheduled([before], asyncScheduler).pipe(map(() => looked(before, CHUNK))),
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
          chunk
            .map(idOf)
            .filter((promptId) => !isKnown(promptId))
            .flatMap((promptId) => readable(promptId)),
        ),
      ),
      filter((state) => !isSettled(state)),
    );
