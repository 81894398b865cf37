import { ignoreElements, map, type Observable } from 'rxjs';
import { RESERVED_S, type JobStore } from '../../job-store';
import type { RedisCommands } from '../connection/topology';

/** What a caller's name for a submission stands for. */
const reservedKey = (name: string): string => `jobstream:reserved:${name}`;

/** Texts under names that callers reserve; see `JobStore.reserve`. */
export const redisReservations = (
  redis: Pick<RedisCommands, 'set'>,
  ask: <T>(command: () => Promise<T>) => Observable<T>,
): Pick<JobStore, 'reserve' | 'amend'> => ({
  reserve: (name, text) =>
    ask(() => redis.set(reservedKey(name), text, 'EX', RESERVED_S, 'NX', 'GET')).pipe(map((held) => held ?? text)),

  amend: (name, text) => ask(() => redis.set(reservedKey(name), text, 'KEEPTTL', 'XX')).pipe(ignoreElements()),
});
