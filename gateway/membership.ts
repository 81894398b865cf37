import { finalize, Subscription } from 'rxjs';
import type { Viewer } from './auth';
import type { Outbox } from './outbox';
import { Problem, unknownJob } from './problem';
import { problemOf } from './problem-of';
import type { Ack, Reply } from './protocol';
import type { Rooms } from './rooms';
import { isPromptId } from './visible-job';

/** How many jobs one socket may follow at a time. */
const MOST_ROOMS = 64;

/** The rooms that one socket is in. */
export interface Membership {
  /** Follows a job: answers with its state, then posts each change, until it settles or is left. */
  join(promptId: unknown, ack: Ack | undefined): void;
  leave(promptId: unknown): void;
  /** Leaves all. */
  close(): void;
}

export function membership(
  rooms: Rooms,
  viewer: Viewer,
  outbox: Outbox,
  onBroken: (error: unknown) => void,
): Membership {
  const joined = new Map<string, Subscription>();

  const join = (promptId: string, answer: Answer): void => {
    const before = joined.get(promptId);
    const subscription = new Subscription();
    joined.set(promptId, subscription);
    const over = (): void => {
      if (joined.get(promptId) === subscription) joined.delete(promptId);
      answer.with(LEFT);
    };
    subscription.add(
      rooms
        .news(promptId, viewer)
        .pipe(finalize(over))
        .subscribe({
          next: (news) => {
            if (news.tag === 'preview') outbox.preview(news.preview);
            else if (!answer.with({ ok: true, job: news.job })) outbox.state(news.job);
          },
          error: (error: unknown) => {
            if (!answer.with(refusal(problemOf(error)))) onBroken(error);
          },
        }),
    );
    // Only now, or a room that nobody else is in would close and open again.
    before?.unsubscribe();
  };

  return {
    join(promptId, ack) {
      const answer = answerTo(ack, outbox);
      if (typeof promptId !== 'string') answer.with(refusal(NO_ID));
      else if (!isPromptId(promptId)) answer.with(refusal(unknownJob()));
      else if (joined.size >= MOST_ROOMS && !joined.has(promptId)) answer.with(refusal(TOO_MANY));
      else join(promptId, answer);
    },
    leave(promptId) {
      if (typeof promptId !== 'string') return;
      joined.get(promptId)?.unsubscribe();
      outbox.forget(promptId);
    },
    close: () => [...joined.values()].forEach((subscription) => subscription.unsubscribe()),
  };
}

/** The one answer to a join. */
interface Answer {
  /** Gives it; `false` if it was given before. */
  with(reply: Reply): boolean;
}

/** Who sends no ack gets a state as an event, and no refusals. */
const answerTo = (ack: Ack | undefined, outbox: Outbox): Answer => {
  let given = false;
  return {
    with(reply) {
      if (given) return false;
      given = true;
      if (ack) outbox.answer(reply, ack);
      else if (reply.ok) outbox.state(reply.job);
      return true;
    },
  };
};

const refusal = ({ kind, message }: Problem): Reply => ({ ok: false, error: { code: kind, message } });

const LEFT: Reply = { ok: false, error: { code: 'left', message: 'The job was left before its state was known.' } };
const NO_ID = new Problem('bad-request', { detail: 'Join with the promptId, a string.' });
const TOO_MANY = new Problem('too-many-jobs', { detail: `A socket may follow ${MOST_ROOMS} jobs at a time.` });
