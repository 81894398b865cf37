import { bounds } from '../../../streams/bounds';
import { defaultRates, meter, type Rates } from './rate-limits';
import type { Viewer } from '../auth/auth';

/** A service joins for many. */
const SERVICE_TIMES = 10;
/** All sockets of a user together may send as much as so many that send all they may: a user has twenty. */
const SOCKETS_TIMES = 4;
/** Who goes on although this many seconds' worth of messages were refused within 10 s is cut. */
const FLOOD = { times: 5, seconds: 10 };

/** What becomes of a message: served, refused, or the last straw. */
export type Verdict = 'served' | 'refused' | 'flood';

/** Counts what each socket sends, and all of each user. */
export interface Throttle {
  /** Judges one message. */
  judge(socketId: string, viewer: Viewer, event: unknown): Promise<Verdict>;
  /** Counts an answer of so many bytes as that many joins more as it is worth: what comes next may have to wait. */
  charge(socketId: string, viewer: Viewer, bytes: number): void;
}

/** Costs a store's list, or a watch. */
const JOINS: ReadonlySet<unknown> = new Set(['job:join', 'jobs:watch']);

/** Only gives back what a join or a watch took: unserved, it would leave a seat taken for as long as the socket lives. */
const LEAVES: ReadonlySet<unknown> = new Set(['job:leave', 'jobs:unwatch']);

export function throttle(rates: Rates): Throttle {
  const user = meters(rates);
  const service = meters(times(rates, SERVICE_TIMES));
  const users = meters(times(rates, SOCKETS_TIMES));
  const isGranted = async ({ messages, joins }: Meters, key: string, event: unknown): Promise<boolean> =>
    (await messages.take(key)).granted && (!JOINS.has(event) || (await joins.take(key)).granted);
  return {
    async judge(socketId, { role, userId }, event) {
      const ofSocket = role === 'service' ? service : user;
      if (LEAVES.has(event)) {
        const isFew =
          (await ofSocket.leaves.take(socketId)).granted || (await ofSocket.refusals.take(socketId)).granted;
        return isFew ? 'served' : 'flood';
      }
      const isServed =
        (await isGranted(ofSocket, socketId, event)) && (role === 'service' || (await isGranted(users, userId, event)));
      if (isServed) return 'served';
      return (await ofSocket.refusals.take(socketId)).granted ? 'refused' : 'flood';
    },
    charge(socketId, { role, userId }, bytes) {
      const joins = Math.floor(bytes / bounds.bytesPerJoin);
      if (joins === 0) return;
      void (role === 'service' ? service : user).joins.take(socketId, joins);
      if (role === 'user') void users.joins.take(userId, joins);
    },
  };
}

const times = (rates: Rates, factor: number): Rates => ({
  ...rates,
  messagesPerSecond: rates.messagesPerSecond * factor,
  joinsPerSecond: rates.joinsPerSecond * factor,
});

type Meters = ReturnType<typeof meters>;

const meters = ({ messagesPerSecond, joinsPerSecond }: Rates) => ({
  messages: meter(messagesPerSecond, 1),
  joins: meter(joinsPerSecond, 1),
  /** Are served all the same; past it they count towards a flood. */
  leaves: meter(messagesPerSecond, 1),
  refusals: meter((messagesPerSecond || joinsPerSecond || defaultRates.messagesPerSecond) * FLOOD.times, FLOOD.seconds),
});
