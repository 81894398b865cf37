import { defer, finalize, mergeMap, Subscription } from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import type { JobState } from '../../streams/job/job-state';
import { answerTo, type Answer } from './acknowledgement';
import type { Viewer } from '../admission/auth/auth';
import type { AllJobs } from './all-jobs';
import type { Outbox } from './send-queue';
import { Problem, unknownJob } from '../wire/problem';
import { problemOf } from '../wire/problem-of';
import type { Ack, Refusal, Reply, WatchReply } from '../wire/protocol';
import type { Rooms } from './rooms';
import { isPromptId, visibleJob } from '../http/requests/visible-job';
import type { JobViews } from '../wire/job-views';
import type { PublicJob } from '../wire/public-job';

/** How many jobs one socket may follow at a time. */
const MOST_ROOMS = 64;

/** The rooms that one socket is in. */
export interface Membership {
  /** Follows a job: answers with its state, then posts each change, until it settles or is left. */
  join(promptId: unknown, ack: Ack | undefined): void;
  leave(promptId: unknown): void;
  /** Follows all jobs it may see: answers with the live ones, and posts each change of any. */
  watch(ack: Ack<WatchReply> | undefined): void;
  unwatch(): void;
  /** Leaves all. */
  close(): void;
}

/** What there is to follow, and how it is told. */
export interface Followed {
  readonly pipeline: Pick<Pipeline, 'get'>;
  readonly rooms: Rooms;
  readonly all: AllJobs;
  readonly views: JobViews;
}

export function membership(
  { pipeline, rooms, all, views }: Followed,
  viewer: Viewer,
  outbox: Outbox,
  onBroken: (error: unknown) => void,
): Membership {
  const joined = new Map<string, Subscription>();
  /** Those of the joined whose state was told: their changes come from their rooms. */
  const told = new Set<string>();
  let watching: Subscription | undefined;

  const shown = (state: JobState): PublicJob => views.of(state, viewer);

  const join = (promptId: string, answer: Answer<Reply>): void => {
    const before = joined.get(promptId);
    const subscription = new Subscription();
    joined.set(promptId, subscription);
    // Only once this one is answered: that one has an answer to give, and a room that nobody is in closes and opens again.
    const relieve = (): void => before?.unsubscribe();
    subscription.add(relieve);
    const over = (): void => {
      relieve();
      if (joined.get(promptId) === subscription) {
        joined.delete(promptId);
        told.delete(promptId);
      }
      answer.with(LEFT);
    };
    subscription.add(
      // First as over HTTP: a room that others are in would tell at once what a store that is away cannot (R14).
      defer(() => visibleJob(pipeline, viewer, promptId))
        .pipe(
          mergeMap(() => rooms.news(promptId, viewer)),
          finalize(over),
        )
        .subscribe({
          next: (news) => {
            if (news.tag === 'preview') {
              outbox.preview(news.preview);
              return;
            }
            const job = shown(news.job);
            if (answer.with({ ok: true, job })) relieve();
            else outbox.state(job);
            told.add(promptId);
          },
          error: (error: unknown) => {
            if (!answer.with(refusal(problemOf(error)))) onBroken(error);
          },
        }),
    );
  };

  const watch = (answer: Answer<WatchReply>): void => {
    const before = watching;
    watching = all
      .news(viewer)
      .pipe(finalize(() => answer.with(LEFT)))
      .subscribe({
        next: (news) => {
          if (news.tag === 'live') answer.with({ ok: true, ...news.live, jobs: news.live.jobs.map(shown) });
          else if (!told.has(news.job.promptId)) outbox.state(shown(news.job));
        },
        error: onBroken,
      });
    before?.unsubscribe();
  };

  return {
    join(promptId, ack) {
      const answer = answerTo(ack, outbox, ({ job }) => outbox.state(job));
      if (typeof promptId !== 'string') answer.with(refusal(NO_ID));
      else if (!isPromptId(promptId)) answer.with(refusal(unknownJob()));
      else if (joined.size >= MOST_ROOMS && !joined.has(promptId)) answer.with(refusal(TOO_MANY));
      else join(promptId, answer);
    },
    leave(promptId) {
      if (typeof promptId !== 'string') return;
      joined.get(promptId)?.unsubscribe();
      // Who watches all still wants what waits.
      if (watching === undefined) outbox.forget(promptId);
    },
    watch: (ack) => watch(answerTo(ack, outbox, ({ jobs }) => jobs.forEach((job) => outbox.state(job)))),
    unwatch() {
      watching?.unsubscribe();
      watching = undefined;
    },
    close() {
      watching?.unsubscribe();
      [...joined.values()].forEach((subscription) => subscription.unsubscribe());
    },
  };
}

/** As an acknowledgement has it. */
export const refusal = ({ kind, message }: Problem): Refusal => ({ ok: false, error: { code: kind, message } });

const LEFT: Refusal = { ok: false, error: { code: 'left', message: 'It was left before its state was known.' } };
const NO_ID = new Problem('bad-request', { detail: 'Join with the promptId, a string.' });
const TOO_MANY = new Problem('too-many-jobs', { detail: `A socket may follow ${MOST_ROOMS} jobs at a time.` });
