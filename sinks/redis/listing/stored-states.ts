import * as E from 'fp-ts/Either';
import { concatMap, EMPTY, from, map, of, type Observable } from 'rxjs';
import { chunks } from '../../../streams/maps/chunks';
import type { Report } from '../../../streams/operators/reporting';
import { decodeJobState } from '../../codecs/job-state.codec';
import { jobKey, UnreadableState } from '../../job-store';
import type { StateRead } from '../../listing/gathered-page';
import type { RedisNodes } from '../connection/topology';
import { toldOnce } from '../../codecs/told-once';

/** States read at once. */
const CHUNK = 250;

/** A job and its state, if there is one that can be read. */
export interface Read extends StateRead {
  readonly promptId: string;
  /** The key does not exist. */
  readonly isGone: boolean;
}

/** Reads the states of these jobs, in their order. An unreadable one is reported once and emitted without a state. */
export type Reads = (promptIds: readonly string[]) => Observable<Read>;

export function storedStates(
  { ask, redis, values }: Pick<RedisNodes, 'ask' | 'redis' | 'values'>,
  report: Report,
): Reads {
  const tell = toldOnce('redis list', report);

  function readOf(promptId: string, json: string | null): Observable<Read> {
    if (json === null) return unreadOf(promptId);
    const state = decodeJobState(jobKey(promptId), json);
    if (E.isRight(state)) return of({ promptId, state: state.right, length: json.length, isGone: false });
    tell(state.left);
    return of({ promptId, state: undefined, length: json.length, isGone: false });
  }

  /** MGET answers `null` for a key that is missing and for one of another type; TYPE tells which. */
  const unreadOf = (promptId: string): Observable<Read> =>
    ask(() => redis.type(jobKey(promptId))).pipe(
      map((type): Read => {
        const isGone = type === 'none';
        if (!isGone && type !== 'string') tell(new UnreadableState(jobKey(promptId), 'it is not a string'));
        return { promptId, state: undefined, length: 0, isGone };
      }),
    );

  return (promptIds: readonly string[]): Observable<Read> =>
    promptIds.length === 0
      ? EMPTY
      : ask(() => values(promptIds.map(jobKey))).pipe(
          concatMap((jsons) => from(promptIds.map((promptId, i) => [promptId, jsons[i] ?? null] as const))),
          concatMap(([promptId, json]) => readOf(promptId, json)),
        );
}

export const portions = <T>(all: readonly T[]): readonly (readonly T[])[] => chunks(all, CHUNK);
