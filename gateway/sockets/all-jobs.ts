import {
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  catchError,
  repeat,
  ReplaySubject,
  share,
  tap,
  timer,
  toArray,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import { isNewer, isSettled, type JobState } from '../../streams/job/job-state';
import { audience } from './listeners-by-user';
import { maySee, type Viewer } from '../admission/auth/auth';

/** How many jobs an answer holds. */
const PAGE = 200;
/** How often other instances' jobs are looked at while somebody watches, and for which part of the time at most. */
const LOOK_MS = 3_000;
const LEISURE = 9;
/** How many jobs that are listed no more are asked for at a time. */
const AT_A_TIME = 8;

/** What somebody hears who watches all jobs they may see. */
export type WatchNews =
  { readonly tag: 'live'; readonly live: LiveStates } | { readonly tag: 'change'; readonly job: JobState };

/** The live jobs that somebody may see, the newest first; `more` if there are others. */
export interface LiveStates {
  readonly jobs: readonly JobState[];
  readonly more: boolean;
}

/**
 * All live jobs, for those who watch all. This instance's jobs are told at once; those that other instances hold are
 * looked at every few seconds, once for all watchers, and not at all while nobody watches.
 */
export interface AllJobs {
  /** The live jobs this viewer may see, once they are known, and meanwhile and from then on each change of one. */
  news(viewer: Viewer): Observable<WatchNews>;
}

type Source = Pick<Pipeline, 'states$' | 'live' | 'get'>;

export function allJobs(pipeline: Source, clock: SchedulerLike): AllJobs {
  const hearers = audience();
  /** The newest of each live job, and of those that settled since the last look began. */
  const known = new Map<string, JobState>();

  const note = (state: JobState): boolean => {
    const before = known.get(state.promptId);
    if (before !== undefined && (isSettled(before) || !isNewer(state, before))) return false;
    known.set(state.promptId, state);
    return true;
  };
  const tell = (state: JobState): void => {
    if (note(state)) hearers.tell(state);
  };

  let pauseMs = LOOK_MS;
  let whole = false;
  const look$ = defer(() => {
    const began = clock.now();
    const over = [...known.values()].filter(isSettled);
    return pipeline.live().pipe(
      toArray(),
      mergeMap((listed) => concat(listed, unlisted(listed))),
      toArray(),
      // The first look tells nobody: whoever waits for it is given the whole.
      map((states) => states.forEach(whole ? tell : note)),
      finalize(() => {
        whole = true;
        pauseMs = Math.max(LOOK_MS, LEISURE * (clock.now() - began));
        // A look that began before a job settled may list it as live once more: its end is forgotten with the next.
        over.forEach(({ promptId }) => known.delete(promptId));
      }),
    );
  });

  /** What became of the jobs that were live and are listed as live no more. */
  const unlisted = (listed: readonly JobState[]): Observable<JobState> => {
    const ids = new Set(listed.map(({ promptId }) => promptId));
    const gone = [...known.values()].filter((state) => !isSettled(state) && !ids.has(state.promptId));
    return from(gone).pipe(
      mergeMap(async ({ promptId }) => ({ promptId, state: await pipeline.get(promptId) }), AT_A_TIME),
      tap(({ promptId, state }) => state ?? known.delete(promptId)),
      map(({ state }) => state),
      filter((state) => state !== undefined),
      // Of a store that does not answer the pipeline has told; the next look asks again.
      catchError(() => EMPTY),
    );
  };

  const kept$ = merge(
    pipeline.states$.pipe(tap(tell), ignoreElements()),
    look$.pipe(repeat({ delay: () => timer(pauseMs, clock) })),
  ).pipe(
    finalize(() => {
      whole = false;
      known.clear();
    }),
    share({ connector: () => new ReplaySubject(1) }),
  );

  const liveFor = (viewer: Viewer): LiveStates => {
    const live = [...known.values()].filter((state) => !isSettled(state) && maySee(viewer, state));
    return { jobs: live.sort((a, b) => b.startedAt - a.startedAt).slice(0, PAGE), more: live.length > PAGE };
  };

  return {
    news: (viewer) =>
      merge(
        hearers.heardBy(viewer).pipe(map((job): WatchNews => ({ tag: 'change', job }))),
        kept$.pipe(
          filter((_, n) => n === 0),
          map((): WatchNews => ({ tag: 'live', live: liveFor(viewer) })),
        ),
      ),
  };
}
