import { catchError, ignoreElements, map, of } from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { RESERVED_S, UnreadableState, type JobStore } from '../../job-store';
import type { Ask } from '../connection/commands';
import type { RedisCommands } from '../connection/topology';
import { isWrongType } from '../connection/wrong-type';
import { toldOnce } from '../../codecs/told-once';

/** The key of a name that a caller reserves. */
const reservedKey = (name: string): string => `jobstream:reserved:${name}`;

/** Texts under names that callers reserve; see `JobStore.reserve`. */
export function redisReservations(
  redis: Pick<RedisCommands, 'set'>,
  ask: Ask,
  report: Report,
): Pick<JobStore, 'reserve' | 'amend'> {
  const tellOnce = toldOnce('redis put', report);
  return {
    reserve: (name, text) =>
      ask(() => redis.set(reservedKey(name), text, 'EX', RESERVED_S, 'NX', 'GET')).pipe(
        map((held) => held ?? text),
        // Emits a text that is none of ours. An error would count as an outage, and the caller would try for ever.
        catchError((error: unknown) => {
          if (!isWrongType(error)) throw error;
          tellOnce(new UnreadableState(reservedKey(name), 'it is not a string'));
          return of('');
        }),
      ),

    amend: (name, text) => ask(() => redis.set(reservedKey(name), text, 'KEEPTTL', 'XX')).pipe(ignoreElements()),
  };
}
