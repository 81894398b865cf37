import * as E from 'fp-ts/Either';
import {
  catchError,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  finalize,
  interval,
  map,
  merge,
  mergeMap,
  of,
  retry,
  share,
  startWith,
  switchMap,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { Preview } from '../../../streams/board/board';
import { isNewer, type JobState } from '../../../streams/job/job-state';
import type { Report } from '../../../streams/operators/reporting';
import { decodeJobState } from '../../job-state.codec';
import { jobKey } from '../../job-store';
import { keyBeside } from '../connection/key-slot';
import type { RedisListener } from '../connection/listener';
import { decodePreview } from './preview.codec';

/** The stored state is asked for again ever later, where it did not come. */
const FIRST_MS = 100;
const MOST_MS = 2000;

/** How often who cannot listen asks. */
const POLL_MS = 3000;

/** The sharded channel on which a job's states are published; it shares the slot of the job's key. */
export const feedChannel = (promptId: string): string => keyBeside(jobKey(promptId), 'feed');

/** The sharded channel on which a job's previews are published, in the slot of its key. */
export const previewChannel = (promptId: string): string => keyBeside(jobKey(promptId), 'previews');

/** What is published of each job. */
export interface RedisFeed {
  /** See `JobStore.changes`. A job's states are decoded once for all who watch it. */
  changes(promptId: string): Observable<JobState>;
  /** See `JobStore.previews`. */
  previews(promptId: string): Observable<Preview>;
}

/** States as they are published, and, whenever listening has begun, as `stored` has them under a key. */
export function redisFeed(
  listener: RedisListener,
  stored: (key: string) => Observable<string | null>,
  report: Report,
): RedisFeed {
  const shared = new Map<string, Observable<JobState>>();

  function readable(key: string, json: string): Observable<JobState> {
    const state = decodeJobState(key, json);
    if (E.isRight(state)) return of(state.right);
    report('redis feed', state.left);
    return EMPTY;
  }

  function heard(promptId: string): Observable<JobState> {
    const key = jobKey(promptId);
    let last: JobState | undefined;
    // The connection that listens may be back before the one that asks.
    const present$ = defer(() => stored(key)).pipe(
      retry({ delay: (_, attempt) => timer(Math.min(MOST_MS, FIRST_MS * attempt)) }),
      filter((json) => json !== null),
      mergeMap((json) => readable(key, json)),
      filter((state) => last === undefined || isNewer(state, last)),
    );
    const message$ = listener.listen(feedChannel(promptId)).pipe(share());
    /** Until listening has begun, which it never does where the user may not. */
    const polled$ = message$.pipe(
      map((json) => json === undefined),
      filter((isBegun) => isBegun),
      startWith(false),
      switchMap((isBegun) => (isBegun ? EMPTY : interval(POLL_MS).pipe(exhaustMap(() => quietly(stored(key)))))),
      filter((json) => json !== null),
      mergeMap((json) => readable(key, json)),
      filter((state) => last === undefined || isNewer(state, last)),
    );
    return merge(
      polled$,
      message$.pipe(
        filter((json) => json !== undefined),
        mergeMap((json) => readable(key, json)),
        filter((state) => last === undefined || isAnother(state, last)),
      ),
      message$.pipe(
        filter((json) => json === undefined),
        switchMap(() => present$),
      ),
    ).pipe(tap((state) => (last = state)));
  }

  return {
    previews: (promptId) =>
      defer(() => listener.listen(previewChannel(promptId))).pipe(
        mergeMap((text) => {
          const preview = text === undefined || text === '' ? undefined : decodePreview(promptId, text);
          return preview === undefined ? EMPTY : of(preview);
        }),
      ),
    changes: (promptId) =>
      defer(() => {
        const changes$ =
          shared.get(promptId) ??
          heard(promptId).pipe(
            finalize(() => shared.delete(promptId)),
            share(),
          );
        shared.set(promptId, changes$);
        return changes$;
      }),
  };
}

const quietly = (work$: Observable<string | null>): Observable<string | null> => work$.pipe(catchError(() => EMPTY));

const isAnother = (state: JobState, last: JobState): boolean => state.epoch !== last.epoch || state.seq !== last.seq;
