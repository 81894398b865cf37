import type { SendQueue } from './send-queue';
import type { Ack, LiveJobs, Refusal, Reply, WatchReply } from '../wire/protocol';

/** The one answer to a request over a socket. */
export interface Answer<R> {
  /** Gives it; `false` if it was given before. */
  with(reply: R): boolean;
}

const once = <R>(give: (reply: R) => void): Answer<R> => {
  let given = false;
  return {
    with(reply) {
      if (given) return false;
      given = true;
      give(reply);
      return true;
    },
  };
};

/** To a join. Who sends no ack gets what was asked for as an event, and no refusals. */
export const answerTo = (ack: Ack | undefined, queue: SendQueue): Answer<Reply> =>
  once((reply) => {
    if (ack) queue.answer(reply, ack);
    else if (reply.ok) queue.state(reply.job);
  });

/** What there is to be told of all jobs at the moment at which it leaves, and how many bytes of JSON that is. */
export type Told = () => { readonly live: LiveJobs; readonly bytes: number };

/** To a watch: made when it leaves, and one at a time. Who asks anew before gets the new answer, and a refusal for the old one. */
export const surveyTo = (
  ack: Ack<WatchReply> | undefined,
  queue: SendQueue,
  replaced: Refusal,
): Answer<Told | Refusal> =>
  once((reply) => {
    const refuse = (refusal: Refusal): void => ack && queue.answer(refusal, ack);
    if (typeof reply !== 'function') refuse(reply);
    else if (ack === undefined) reply().live.jobs.forEach((job) => queue.state(job));
    else
      queue.survey({
        send: () => {
          const { live, bytes } = reply();
          ack({ ok: true, ...live });
          return bytes;
        },
        replaced: () => refuse(replaced),
      });
  });
