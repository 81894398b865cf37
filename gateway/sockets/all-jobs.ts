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
import { maySee, type Viewer } from '../admission/auth/auth';
import { watchers } from '../../streams/maps/keyed-watchers';

/** Most live jobs in an answer, and most ended jobs that one look lists. */
const PAGE = 200;
/** The pause between two looks at the jobs of other instances, while a socket watches all jobs. */
const LOOK_MS = 3_000;
/** After a look that took t ms, wait at least 9 t: looks use 10 % of the time at most. */
const PAUSES_PER_LOOK = 9;
/** Ended jobs are listed from 10 s before the last look on: instances' clocks differ, and writes take time. */
const SINCE_MS = 10_000;
const ENDED: readonly JobStanding[] = ['completed', 'failed', 'cancelled'];
/** How many jobs that are no longer listed are asked for at a time. */
const AT_A_TIME = 8;

/** News for a viewer who watches all jobs. */
export type WatchNews =
  | { readonly tag: 'live'; readonly live: () => LiveStates }
  | { readonly tag: 'partial'; readonly partial: boolean }
  | { readonly tag: 'change'; readonly job: JobState };

/** The live jobs that a viewer may see, the newest first; `more` if there are others. */
export interface LiveStates {
  readonly jobs: readonly JobState[];
  readonly more: boolean;
  /** Whether the store did not answer, so that these are the jobs of this instance alone. */
  readonly partial?: true;
}

/**
 * All live jobs, for viewers who watch all. Changes of this instance's jobs are sent at once; jobs of other instances
 * are listed from the store every 3 s, once for all viewers, and not while nobody watches.
 */
export interface AllJobs {
  /**
   * Takes a state that a room was sent, of a job that another instance may hold. All viewers who watch get it, and no
   * older one, even if a running look has read that. Ignores an end of a job that was not known to be live. Returns the
   * newest state of the job that is known while somebody watches.
   */
  tell(job: JobState): JobState;
  /**
   * The viewer's live jobs, once the first look is over (call `live` to read them), and each change from the start on.
   */
  news(viewer: Viewer): Observable<WatchNews>;
}

type Source = Pick<Pipeline, 'states$' | 'live' | 'list' | 'get'>;

class WatchedJobs implements AllJobs {
  readonly #pipeline: Source;
  readonly #clock: SchedulerLike;
  /** Who watches, by `keyOf`: a change goes to the viewers who may see it, and no others are checked. */
  readonly #watchers = watchers<JobState>();
  /** The newest state of each live job, and of each job that settled since the last look began. */
  readonly #known = new Map<string, JobState>();
  /** Keeps `#known` up to date while it is subscribed to; emits after each look. */
  readonly #kept$: Observable<unknown>;
  /** The ids of the ended jobs that the last look listed. */
  #ended: ReadonlySet<string> = new Set();
  #lookedAt = 0;
  #isKept = false;
  #pauseMs = LOOK_MS;
  /** Whether the first look is over. Before, no change that a look finds is sent. */
  #whole = false;
  #isPartial = false;
  /** Emits after a look that found the store away, or back. */
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
      this.#watchers.changes(keyOf(viewer)).pipe(map((job): WatchNews => ({ tag: 'change', job }))),
      this.#kept$.pipe(
        filter((_, n) => n === 0),
        map((): WatchNews => ({ tag: 'live', live: () => this.#liveFor(viewer) })),
      ),
    );
  }

  tell(job: JobState): JobState {
    if (this.#isKept && (!isSettled(job) || this.#known.has(job.promptId))) this.#tell(job);
    return this.#known.get(job.promptId) ?? job;
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
    if (!this.#note(state)) return;
    this.#watchers.tell(SERVICES, state);
    this.#watchers.tell(keyOf({ role: 'user', userId: state.userId }), state);
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
        // The first look sends no changes: the viewers who wait for it get the list.
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
        // A look that began before a job settled may list it as live: an end is forgotten by a look that began after
        // it.
        over.forEach(({ promptId }) => this.#known.delete(promptId));
      }),
    );
  }

  /**
   * The newest 200 jobs that began since about the last look and have ended: a short job does both between two looks.
   */
  #endedLately(): Observable<readonly JobState[]> {
    const since = Math.max(0, this.#lookedAt - SINCE_MS);
    return defer(() => this.#pipeline.list({ status: ENDED, since, limit: PAGE })).pipe(
      map(({ jobs }) => jobs),
      // The pipeline has reported that the store does not answer.
      catchError(() => of([])),
    );
  }

  /** The ended jobs that were known as live and, after the first look, those that the last look did not list. */
  #newlyEnded(ended: readonly JobState[]): readonly JobState[] {
    const before = this.#ended;
    this.#ended = new Set(ended.map(({ promptId }) => promptId));
    const isNews = ({ promptId }: JobState): boolean =>
      this.#known.has(promptId) || (this.#whole && !before.has(promptId));
    return ended.filter(isNews);
  }

  /** The stored states of jobs that were live and are no longer listed. */
  #unlisted(listed: readonly JobState[]): Observable<JobState> {
    const ids = new Set(listed.map(({ promptId }) => promptId));
    const gone = [...this.#known.values()].filter((state) => !isSettled(state) && !ids.has(state.promptId));
    return from(gone).pipe(mergeMap(({ promptId }) => this.#asked(promptId), AT_A_TIME));
  }

  /** A job's stored state. An error with one job does not hide the others (R15). */
  #asked(promptId: string): Observable<JobState> {
    return defer(() => this.#pipeline.get(promptId)).pipe(
      tap((state) => state ?? this.#known.delete(promptId)),
      filter((state) => state !== undefined),
      catchError((error: unknown) => {
        // An unreadable state stays unreadable. If the store does not answer, the next look asks again.
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

const SERVICES = 'service';
const keyOf = ({ role, userId }: Viewer): string => (role === 'service' ? SERVICES : `user ${userId}`);

/** The live jobs of a pipeline and of all other instances on its store. */
export const allJobs = (pipeline: Source, clock: SchedulerLike): AllJobs => new WatchedJobs(pipeline, clock);
