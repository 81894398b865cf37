import type { SendQueue } from './send-queue';
import type { Ack, LiveJobs, Refusal, Reply, WatchReply } from '../wire/protocol';

/** The answer to a request over a socket, which is given once. */
export interface Answer<R> {
  /** Gives the answer; returns `false` if it was given before. */
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

/** The answer to `job:join`. Without an acknowledgement the state is sent as an event, and a refusal not at all. */
export const answerTo = (ack: Ack | undefined, queue: SendQueue): Answer<Reply> =>
  once((reply) => {
    if (ack) queue.answer(reply, ack);
    else if (reply.ok) queue.state(reply.job);
  });

/** Makes the answer to `jobs:watch`, when it is sent; `bytes` of its jobs as JSON. */
export type Told = () => { readonly live: LiveJobs; readonly bytes: number };

/**
 * The answer to `jobs:watch`, made when it is sent. One waits at a time: a second request refuses the first with
 * `replaced`.
 */
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
