import { defaultRates, meter, type Rates } from './rate-limits';
import type { Viewer } from '../auth/auth';

/** A service joins for many. */
const SERVICE_TIMES = 10;
/** Who goes on although this many seconds' worth of messages were refused within 10 s is cut. */
const FLOOD = { times: 5, seconds: 10 };

/** What becomes of a message: served, refused, or the last straw. */
export type Verdict = 'served' | 'refused' | 'flood';

/** Counts what each socket sends. */
export interface Throttle {
  /** Judges one message. */
  judge(socketId: string, viewer: Viewer, event: unknown): Promise<Verdict>;
}

/** Costs a store's list, or a watch. */
const JOINS: ReadonlySet<unknown> = new Set(['job:join', 'jobs:watch']);

export function throttle(rates: Rates): Throttle {
  const user = meters(rates);
  const service = meters({
    ...rates,
    messagesPerSecond: rates.messagesPerSecond * SERVICE_TIMES,
    joinsPerSecond: rates.joinsPerSecond * SERVICE_TIMES,
  });
  return {
    async judge(socketId, { role }, event) {
      const { messages, joins, refusals } = role === 'service' ? service : user;
      const isServed =
        (await messages.take(socketId)).granted && (!JOINS.has(event) || (await joins.take(socketId)).granted);
      if (isServed) return 'served';
      return (await refusals.take(socketId)).granted ? 'refused' : 'flood';
    },
  };
}

const meters = ({ messagesPerSecond, joinsPerSecond }: Rates) => ({
  messages: meter(messagesPerSecond, 1),
  joins: meter(joinsPerSecond, 1),
  refusals: meter((messagesPerSecond || joinsPerSecond || defaultRates.messagesPerSecond) * FLOOD.times, FLOOD.seconds),
});
