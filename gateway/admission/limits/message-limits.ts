import { bounds } from '../../../streams/bounds';
import { defaultRates, meter, type Rates } from './rate-limits';
import type { Viewer } from '../auth/auth';

/** A service's socket may send ten times as much as a user's, because it joins jobs of many users. */
const SERVICE_TIMES = 10;
/** All sockets of a user (20 by default) together may send four times as much as one. */
const SOCKETS_TIMES = 4;
/** A socket is cut once five seconds' worth of its messages were refused within 10 s. */
const FLOOD = { times: 5, seconds: 10 };

/** What becomes of a message: it is served, refused, or the socket is cut for a flood. */
export type Verdict = 'served' | 'refused' | 'flood';

/** Limits the messages of each socket, and of all sockets of a user. */
export interface Throttle {
  /** Judges one message. */
  judge(socketId: string, viewer: Viewer, event: unknown): Promise<Verdict>;
  /**
   * How many bytes a second the viewer's connection may send before it is cut, for as long as it lasts: who has left may
   * send on for 30 s, until the handshake that closes it is given up. Infinity if messages have no bound.
   */
  bytesPerSecond(viewer: Viewer): number;
  /** Counts an answer as one more join per `bounds.bytesPerJoin` (16 KiB), so that later joins may be refused. */
  charge(socketId: string, viewer: Viewer, bytes: number): void;
}

/** Events that cost a list of the store or a watch, limited by `joinsPerSecond`. */
const JOINS: ReadonlySet<unknown> = new Set(['job:join', 'jobs:watch']);

/**
 * Events that end a join or a watch. They are always served: refused, they would leave it in place until the socket
 * closes.
 */
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
    bytesPerSecond({ role }) {
      const messages = rates.messagesPerSecond * (role === 'service' ? SERVICE_TIMES : 1);
      return messages === 0 ? Infinity : bounds.socketBytesPerSecond + messages * bounds.bytesPerMessage;
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
  /** Leaves past this are served too, but count as refused towards a flood. */
  leaves: meter(messagesPerSecond, 1),
  refusals: meter((messagesPerSecond || joinsPerSecond || defaultRates.messagesPerSecond) * FLOOD.times, FLOOD.seconds),
});
