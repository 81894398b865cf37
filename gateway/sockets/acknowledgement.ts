import type { SendQueue } from './send-queue';
import type { Ack, Reply, WatchReply } from '../wire/protocol';

/** The one answer to a request over a socket. */
export interface Answer<R> {
  /** Gives it; `false` if it was given before. */
  with(reply: R): boolean;
}

/** Who sends no ack gets what was asked for as events, and no refusals. */
export const answerTo = <R extends Reply | WatchReply>(
  ack: Ack<R> | undefined,
  queue: SendQueue,
  asEvents: (granted: Extract<R, { readonly ok: true }>) => void,
): Answer<R> => {
  let given = false;
  return {
    with(reply) {
      if (given) return false;
      given = true;
      if (ack) queue.answer(reply, ack);
      else if (reply.ok) asEvents(reply as Extract<R, { readonly ok: true }>);
      return true;
    },
  };
};
