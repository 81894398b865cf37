import { defer, finalize, mergeMap, Subscription } from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import { isPromptId } from '../../streams/job/ids';
import { isSettled, type JobState } from '../../streams/job/job-state';
import { answerTo, surveyTo, type Answer, type Told } from './acknowledgement';
import type { Viewer } from '../admission/auth/auth';
import type { AllJobs, LiveStates, WatchNews } from './all-jobs';
import { fitting } from './encoded-state';
import type { SendQueue } from './send-queue';
import { Problem, unknownJob } from '../wire/problem';
import { problemOf } from '../wire/problem-of';
import type { Ack, Done, Refusal, Reply, WatchReply } from '../wire/protocol';
import type { News, Rooms } from './rooms';
import { visibleJob } from '../http/requests/visible-job';
import type { JobViews } from '../wire/job-views';
import type { PublicJob } from '../wire/public-job';
import { getOrInsert } from '../../streams/maps/remember';

/** How many jobs one socket may follow at a time. */
const MOST_ROOMS = 64;
/** How many more it may join if they have ended: a client that follows 64 may have missed the ends of others. */
const MOST_ENDS = 8;

/** The jobs that one socket follows. */
export interface Subscriptions {
  /** Follows a job: answers with its state, then sends each change, until it settles or is left. */
  join(promptId: unknown, ack: Ack | undefined): void;
  leave(promptId: unknown, ack?: Ack<Done>): void;
  /** Follows all jobs that the viewer may see: answers with the live ones, then sends each change. */
  watch(ack: Ack<WatchReply> | undefined): void;
  unwatch(ack?: Ack<Done>): void;
  /** Leaves all. */
  close(): void;
}

/** The sources of a socket's news, and the views in which it gets them. */
export interface Followed {
  readonly pipeline: Pick<Pipeline, 'get'>;
  readonly rooms: Rooms;
  readonly all: AllJobs;
  readonly views: JobViews;
}

/** The viewer of a socket, and where its news go. */
export interface Follower {
  readonly viewer: Viewer;
  readonly queue: SendQueue;
  /** Called with the bytes of each answer of many jobs. */
  readonly charge: (bytes: number) => void;
  /** Called with an error for which there is no answer left to give. */
  readonly onBroken: (error: unknown) => void;
}

class SocketSubscriptions implements Subscriptions {
  readonly #followed: Followed;
  readonly #viewer: Viewer;
  readonly #queue: SendQueue;
  readonly #charge: (bytes: number) => void;
  readonly #onBroken: (error: unknown) => void;
  /**
   * The joins of each job, the newest last; each takes itself out when it ends. There are several while a job that is
   * followed is joined again.
   */
  readonly #joined = new Map<string, Set<Subscription>>();
  /** Joined jobs whose state was sent: their changes come from their rooms, so the watch of all jobs skips them. */
  readonly #told = new Set<string>();
  #watching: Subscription | undefined;

  constructor(followed: Followed, { viewer, queue, charge, onBroken }: Follower) {
    this.#followed = followed;
    this.#viewer = viewer;
    this.#queue = queue;
    this.#charge = charge;
    this.#onBroken = onBroken;
  }

  join(promptId: unknown, ack: Ack | undefined): void {
    const answer = answerTo(ack, this.#queue);
    if (typeof promptId !== 'string') answer.with(refusal(NO_ID));
    else if (!isPromptId(promptId)) answer.with(refusal(unknownJob()));
    else if (this.#joined.has(promptId) || this.#joined.size < MOST_ROOMS) this.#join(promptId, answer);
    else if (this.#joined.size < MOST_ROOMS + MOST_ENDS) this.#join(promptId, answer, true);
    else answer.with(refusal(TOO_MANY));
  }

  leave(promptId: unknown, ack?: Ack<Done>): void {
    if (typeof promptId !== 'string') {
      if (ack) this.#queue.answer(refusal(NO_ID), ack);
      return;
    }
    this.#joined.get(promptId)?.forEach((join) => join.unsubscribe());
    // A socket that watches all jobs still gets what waits of this one.
    if (this.#watching === undefined) this.#queue.forget(promptId);
    if (ack) this.#queue.answer(DONE, ack);
  }

  watch(ack: Ack<WatchReply> | undefined): void {
    const answer = surveyTo(ack, this.#queue, LEFT);
    const before = this.#watching;
    this.#watching = this.#followed.all
      .news(this.#viewer)
      .pipe(finalize(() => answer.with(LEFT)))
      .subscribe({
        next: (news) => this.#tellOfAll(news, answer),
        error: (error: unknown) => {
          if (!answer.with(refusal(problemOf(error)))) this.#onBroken(error);
        },
      });
    before?.unsubscribe();
  }

  unwatch(ack?: Ack<Done>): void {
    this.#watching?.unsubscribe();
    this.#watching = undefined;
    if (ack) this.#queue.answer(DONE, ack);
  }

  close(): void {
    this.#watching?.unsubscribe();
    this.#joined.forEach((joins) => joins.forEach((join) => join.unsubscribe()));
  }

  /** `onlyEnded`: the socket follows 64 jobs already, so a job that has not ended is refused. */
  #join(promptId: string, answer: Answer<Reply>, onlyEnded = false): void {
    const { pipeline, rooms } = this.#followed;
    const subscription = new Subscription();
    const joins = getOrInsert(this.#joined, promptId, () => new Set()).add(subscription);
    // Earlier joins of this job end once this one is answered: they may still owe their answer, and keep the room open.
    const endEarlier = (): void => {
      for (const join of joins) {
        if (join === subscription) return;
        join.unsubscribe();
      }
    };
    const over = (): void => {
      this.#left(promptId, joins, subscription);
      answer.with(LEFT);
    };
    // The job is read first, as over HTTP: with the store away, an open room would answer and so reveal the job (R14).
    const news$ = defer(() => visibleJob(pipeline, this.#viewer, promptId)).pipe(
      mergeMap((job) => {
        if (onlyEnded && !isSettled(job)) throw TOO_MANY;
        this.#followed.all.tell(job);
        return rooms.news(promptId, this.#viewer);
      }),
      finalize(over),
    );
    subscription.add(
      news$.subscribe({
        next: (news) => {
          if (this.#tell(promptId, news, answer)) endEarlier();
        },
        error: (error: unknown) => {
          const problem = problemOf(error);
          // With the store away nothing is known that would end an earlier join: it still brings the job's end.
          if (problem.kind === 'unknown-job') endEarlier();
          if (!answer.with(refusal(problem))) this.#onBroken(error);
        },
      }),
    );
  }

  #left(promptId: string, joins: Set<Subscription>, subscription: Subscription): void {
    joins.delete(subscription);
    if (joins.size > 0 || this.#joined.get(promptId) !== joins) return;
    this.#joined.delete(promptId);
    this.#told.delete(promptId);
  }

  /** Sends news of a joined job. Returns whether it was the answer to the join. */
  #tell(promptId: string, news: News, answer: Answer<Reply>): boolean {
    if (news.tag === 'preview') {
      this.#queue.preview(news.preview);
      return false;
    }
    this.#told.add(promptId);
    // A store that lost its last second has an older state than the watch of all jobs told this socket.
    const job = this.#shown(this.#followed.all.tell(news.job));
    const isAnswer = answer.with({ ok: true, job });
    if (!isAnswer) this.#queue.state(job);
    return isAnswer;
  }

  #tellOfAll(news: WatchNews, answer: Answer<Told | Refusal>): void {
    if (news.tag === 'live') answer.with(() => this.#toldOf(news.live()));
    else if (news.tag === 'partial') this.#queue.partial(news.partial);
    else if (!this.#told.has(news.job.promptId)) this.#queue.state(this.#shown(news.job));
  }

  #toldOf({ jobs: states, more, ...rest }: LiveStates): ReturnType<Told> {
    const { jobs, bytes } = fitting(states, (state) => this.#shown(state));
    this.#charge(bytes);
    return { live: { jobs, more: more || jobs.length < states.length, ...rest }, bytes };
  }

  #shown(state: JobState): PublicJob {
    return this.#followed.views.of(state, this.#viewer);
  }
}

/** The subscriptions of one socket. */
export const subscriptions = (followed: Followed, follower: Follower): Subscriptions =>
  new SocketSubscriptions(followed, follower);

/** A problem, as an acknowledgement carries it. */
export const refusal = ({ kind, message }: Problem): Refusal => ({ ok: false, error: { code: kind, message } });

const LEFT: Refusal = { ok: false, error: { code: 'left', message: 'It was left before its state was known.' } };
const DONE: Done = { ok: true };
const NO_ID = new Problem('bad-request', { detail: 'Join and leave with the promptId, a string.' });
const TOO_MANY = new Problem('too-many-jobs', { detail: `A socket may follow ${MOST_ROOMS} jobs at a time.` });
