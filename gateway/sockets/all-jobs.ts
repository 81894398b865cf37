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
  of,
  repeat,
  ReplaySubject,
  share,
  Subject,
  tap,
  timer,
  toArray,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import { UnreadableState } from '../../sinks/job-store';
import { isNewer, isSettled, type JobStanding, type JobState } from '../../streams/job/job-state';
import { listenersByUser } from './listeners-by-user';
import { maySee, type Viewer } from '../admission/auth/auth';

/** How many jobs an answer holds at most. */
const PAGE = 200;
/** How often other instances' jobs are looked at while somebody watches. */
const LOOK_MS = 3_000;
/** After a look that took t ms, at least so many t are waited: looks use 10 % of the time at most. */
const PAUSES_PER_LOOK = 9;
/** A job is looked for among the ended ones if it began so long before the last look: clocks of instances differ, and writes take time. */
const SINCE_MS = 10_000;
const ENDED: readonly JobStanding[] = ['completed', 'failed', 'cancelled'];
/** How many jobs that are listed no more are asked for at a time. */
const AT_A_TIME = 8;

/** What somebody hears who watches all jobs they may see. */
export type WatchNews =
  | { readonly tag: 'live'; readonly live: () => LiveStates }
  | { readonly tag: 'partial'; readonly partial: boolean }
  | { readonly tag: 'change'; readonly job: JobState };

/** The live jobs that somebody may see, the newest first; `more` if there are others. */
export interface LiveStates {
  readonly jobs: readonly JobState[];
  readonly more: boolean;
  /** Whether the store did not answer, so that these are the jobs of this instance alone. */
  readonly partial?: true;
}

/**
 * All live jobs, for those who watch all. This instance's jobs are told at once; those that other instances hold are
 * looked at every few seconds, once for all watchers, and not at all while nobody watches.
 */
export interface AllJobs {
  /**
   * A state that somebody is shown, of a job that may be another instance's: all who watch are told of it, and of nothing
   * older, though a look that is under way has read that. Not of jobs that had ended before.
   */
  tell(job: JobState): void;
  /** The live jobs this viewer may see, as they are when they are read, once they are known; meanwhile and from then on each change of one. */
  news(viewer: Viewer): Observable<WatchNews>;
}

type Source = Pick<Pipeline, 'states$' | 'live' | 'list' | 'get'>;

class WatchedJobs implements AllJobs {
  readonly #pipeline: Source;
  readonly #clock: SchedulerLike;
  readonly #listeners = listenersByUser();
  /** The newest of each live job, and of those that settled since the last look began. */
  readonly #known = new Map<string, JobState>();
  /** Runs while somebody watches; emits after each look. */
  readonly #kept$: Observable<unknown>;
  /** The jobs that the last look found ended. */
  #ended: ReadonlySet<string> = new Set();
  #lookedAt = 0;
  #isKept = false;
  #pauseMs = LOOK_MS;
  /** Whether there was a look: before, nobody was told of anything. */
  #whole = false;
  #isPartial = false;
  /** Emits when the store went away, or is back, after a look. */
  readonly #partial$ = new Subject<boolean>();

  constructor(pipeline: Source, clock: SchedulerLike) {
    this.#pipeline = pipeline;
    this.#clock = clock;
    this.#kept$ = merge(
      pipeline.states$.pipe(
        tap((state) => this.#tell(state)),
        ignoreElements(),
      ),
      defer(() => this.#look()).pipe(repeat({ delay: () => timer(this.#pauseMs, clock) })),
    ).pipe(
      tap({ subscribe: () => this.#begin(), finalize: () => this.#end() }),
      share({ connector: () => new ReplaySubject(1) }),
    );
  }

  news(viewer: Viewer): Observable<WatchNews> {
    return merge(
      this.#partial$.pipe(map((partial): WatchNews => ({ tag: 'partial', partial }))),
      this.#listeners.heardBy(viewer).pipe(map((job): WatchNews => ({ tag: 'change', job }))),
      this.#kept$.pipe(
        filter((_, n) => n === 0),
        map((): WatchNews => ({ tag: 'live', live: () => this.#liveFor(viewer) })),
      ),
    );
  }

  tell(job: JobState): void {
    if (this.#isKept && (!isSettled(job) || this.#known.has(job.promptId))) this.#tell(job);
  }

  #begin(): void {
    this.#isKept = true;
    this.#lookedAt = this.#clock.now();
  }

  #end(): void {
    this.#isKept = false;
    this.#whole = false;
    this.#isPartial = false;
    this.#known.clear();
    this.#ended = new Set();
  }

  #note(state: JobState): boolean {
    const before = this.#known.get(state.promptId);
    if (before !== undefined && (isSettled(before) || !isNewer(state, before))) return false;
    this.#known.set(state.promptId, state);
    return true;
  }

  #tell(state: JobState): void {
    if (this.#note(state)) this.#listeners.tell(state);
  }

  #look(): Observable<unknown> {
    const began = this.#clock.now();
    const over = [...this.#known.values()].filter(isSettled);
    let isPartial = false;
    const live$ = this.#pipeline.live(() => (isPartial = true));
    return live$.pipe(
      toArray(),
      mergeMap((listed) => this.#endedLately().pipe(map((ended) => ({ listed, ended })))),
      mergeMap(({ listed, ended }) => {
        const news = this.#newlyEnded(ended);
        return concat(listed, news, this.#unlisted([...listed, ...news]));
      }),
      toArray(),
      map((states) => {
        // The first look tells nobody: whoever waits for it is given the whole.
        for (const state of states)
          if (this.#whole) this.#tell(state);
          else this.#note(state);
        const isNews = this.#whole && this.#isPartial !== isPartial;
        this.#isPartial = isPartial;
        if (isNews) this.#partial$.next(isPartial);
      }),
      finalize(() => {
        this.#whole = true;
        this.#lookedAt = began;
        this.#pauseMs = Math.max(LOOK_MS, PAUSES_PER_LOOK * (this.#clock.now() - began));
        // A look that began before a job settled may list it as live once more: its end is forgotten with the next.
        over.forEach(({ promptId }) => this.#known.delete(promptId));
      }),
    );
  }

  /** The newest of those that began since about the last look and have ended: between two looks a short job does both. */
  #endedLately(): Observable<readonly JobState[]> {
    const since = Math.max(0, this.#lookedAt - SINCE_MS);
    return defer(() => this.#pipeline.list({ status: ENDED, since, limit: PAGE })).pipe(
      map(({ jobs }) => jobs),
      // Of a store that does not answer the pipeline has told.
      catchError(() => of([])),
    );
  }

  /** Those of them that the last look did not find. Before the first look nobody was told of any job: there is nothing to end. */
  #newlyEnded(ended: readonly JobState[]): readonly JobState[] {
    const before = this.#ended;
    this.#ended = new Set(ended.map(({ promptId }) => promptId));
    const isNews = ({ promptId }: JobState): boolean =>
      this.#known.has(promptId) || (this.#whole && !before.has(promptId));
    return ended.filter(isNews);
  }

  /** What became of the jobs that were live and are listed as live no more. */
  #unlisted(listed: readonly JobState[]): Observable<JobState> {
    const ids = new Set(listed.map(({ promptId }) => promptId));
    const gone = [...this.#known.values()].filter((state) => !isSettled(state) && !ids.has(state.promptId));
    return from(gone).pipe(mergeMap(({ promptId }) => this.#asked(promptId), AT_A_TIME));
  }

  /** A job as it is stored now. One that cannot be had hides no other (R15). */
  #asked(promptId: string): Observable<JobState> {
    return defer(() => this.#pipeline.get(promptId)).pipe(
      tap((state) => state ?? this.#known.delete(promptId)),
      filter((state) => state !== undefined),
      catchError((error: unknown) => {
        // What somebody wrote over stays so. Of a store that does not answer the pipeline has told: the next look asks again.
        if (error instanceof UnreadableState) this.#known.delete(promptId);
        return EMPTY;
      }),
    );
  }

  #liveFor(viewer: Viewer): LiveStates {
    const live = [...this.#known.values()].filter((state) => !isSettled(state) && maySee(viewer, state));
    const jobs = live.sort((a, b) => b.startedAt - a.startedAt).slice(0, PAGE);
    return { jobs, more: live.length > PAGE, ...(this.#isPartial && { partial: true }) };
  }
}

/** The live jobs of a pipeline and of all other instances on its store. */
export const allJobs = (pipeline: Source, clock: SchedulerLike): AllJobs => new WatchedJobs(pipeline, clock);
