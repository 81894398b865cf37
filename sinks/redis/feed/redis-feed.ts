import * as E from 'fp-ts/Either';
import {
  asyncScheduler,
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
  type SchedulerLike,
} from 'rxjs';
import type { Preview } from '../../../streams/board/board';
import { isNewer, type JobState } from '../../../streams/job/job-state';
import { orNothing, type Report } from '../../../streams/operators/reporting';
import { decodeJobState } from '../../codecs/job-state.codec';
import { jobKey } from '../../job-store';
import { keyBeside } from '../connection/key-slot';
import type { RedisListener } from '../connection/listener';
import { decodePreview } from './preview.codec';

/** How long to wait between two attempts to read a stored state, ms: after the first, and at most. */
const FIRST_MS = 100;
const MOST_MS = 2000;

/** How often the stored state is read while the connection cannot listen, ms. */
const POLL_MS = 3000;

/**
 * How often it is read while the connection listens, if no message came since, ms: the job's holder may not be allowed
 * to publish, or its last message was lost.
 */
const AUDIT_MS = 15_000;

/** The sharded channel on which a job's states are published; it shares the slot of the job's key. */
export const feedChannel = (promptId: string): string => keyBeside(jobKey(promptId), 'feed');

/** The sharded channel on which a job's previews are published, in the slot of its key. */
export const previewChannel = (promptId: string): string => keyBeside(jobKey(promptId), 'previews');

/** The states and previews that instances publish. */
export interface RedisFeed {
  /** See `JobStore.changes`. A job's states are decoded once for all who watch it. */
  changes(promptId: string): Observable<JobState>;
  /** See `JobStore.previews`. */
  previews(promptId: string): Observable<Preview>;
}

class PublishedFeed implements RedisFeed {
  readonly #listener: RedisListener;
  readonly #stored: (key: string) => Observable<string | null>;
  readonly #report: Report;
  readonly #clock: SchedulerLike;
  readonly #shared = new Map<string, Observable<JobState>>();

  constructor(
    listener: RedisListener,
    stored: (key: string) => Observable<string | null>,
    report: Report,
    clock: SchedulerLike,
  ) {
    this.#listener = listener;
    this.#stored = stored;
    this.#report = report;
    this.#clock = clock;
  }

  changes(promptId: string): Observable<JobState> {
    return defer(() => {
      const heard$ = this.#heard(promptId).pipe(finalize(() => this.#shared.delete(promptId)));
      const changes$ = this.#shared.get(promptId) ?? heard$.pipe(share());
      this.#shared.set(promptId, changes$);
      return changes$;
    });
  }

  previews(promptId: string): Observable<Preview> {
    return defer(() => this.#listener.listen(previewChannel(promptId))).pipe(
      mergeMap((text) => {
        const preview = text === undefined || text === '' ? undefined : decodePreview(promptId, text);
        return preview === undefined ? EMPTY : of(preview);
      }),
    );
  }

  #heard(promptId: string): Observable<JobState> {
    return defer(() => {
      let last: JobState | undefined;
      let wasHeard = false;
      const isSilent = (): boolean => {
        const isSilent = !wasHeard;
        wasHeard = false;
        return isSilent;
      };
      const isNews = (state: JobState): boolean => last === undefined || isNewer(state, last);
      const isOther = (state: JobState): boolean => last === undefined || isAnother(state, last);
      const message$ = this.#listener.listen(feedChannel(promptId)).pipe(share());
      const published$ = message$.pipe(
        filter((json) => json !== undefined),
        tap(() => (wasHeard = true)),
        mergeMap((json) => this.#readable(jobKey(promptId), json)),
        filter(isOther),
      );
      const isBegun$ = message$.pipe(
        map((json) => json === undefined),
        filter((isBegun) => isBegun),
      );
      const present$ = isBegun$.pipe(
        switchMap(() => this.#present(promptId)),
        filter(isNews),
      );
      const polled$ = this.#polled(promptId, isBegun$, isSilent).pipe(filter(isNews));
      return merge(polled$, published$, present$).pipe(tap((state) => (last = state)));
    });
  }

  /**
   * The stored state, with attempts until one succeeds: after an outage the connection that listens may be back before
   * the one for commands.
   */
  #present(promptId: string): Observable<JobState> {
    const key = jobKey(promptId);
    return defer(() => this.#stored(key)).pipe(
      retry({ delay: (_, attempt) => timer(Math.min(MOST_MS, FIRST_MS * attempt), this.#clock) }),
      filter((json) => json !== null),
      mergeMap((json) => this.#readable(key, json)),
    );
  }

  /**
   * The stored state: each `POLL_MS` until Redis has begun to send, which it never does where the user may not
   * subscribe; from then on each `AUDIT_MS` without a message.
   */
  #polled(promptId: string, isBegun$: Observable<boolean>, isSilent: () => boolean): Observable<JobState> {
    const key = jobKey(promptId);
    return isBegun$.pipe(
      startWith(false),
      switchMap((isBegun) =>
        interval(isBegun ? AUDIT_MS : POLL_MS, this.#clock).pipe(filter(() => !isBegun || isSilent())),
      ),
      exhaustMap(() => orNothing(this.#stored(key))),
      filter((json) => json !== null),
      mergeMap((json) => this.#readable(key, json)),
    );
  }

  #readable(key: string, json: string): Observable<JobState> {
    const state = decodeJobState(key, json);
    if (E.isRight(state)) return of(state.right);
    this.#report('redis feed', state.left);
    return EMPTY;
  }
}

/** States as they are published; `stored` reads the JSON of a key, asked whenever Redis has begun to send. */
export const redisFeed = (
  listener: RedisListener,
  stored: (key: string) => Observable<string | null>,
  report: Report,
  clock: SchedulerLike = asyncScheduler,
): RedisFeed => new PublishedFeed(listener, stored, report, clock);

const isAnother = (state: JobState, last: JobState): boolean => state.epoch !== last.epoch || state.seq !== last.seq;
