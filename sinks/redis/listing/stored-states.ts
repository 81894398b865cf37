import * as E from 'fp-ts/Either';
import { concatMap, EMPTY, from, map, of, type Observable } from 'rxjs';
import type { JobState } from '../../../streams/job/job-state';
import { chunks } from '../../../streams/maps/chunks';
import type { Report } from '../../../streams/operators/reporting';
import { decodeJobState } from '../../codecs/job-state.codec';
import { jobKey, UnreadableState } from '../../job-store';
import type { RedisNodes } from '../connection/topology';
import { toldOnce } from '../stored/told-once';

/** States read in one go. */
export const CHUNK = 250;

/** A job that was read, or nothing readable in its place. */
export interface Read {
  readonly promptId: string;
  readonly state: JobState | undefined;
  /** Nothing is there at all. */
  readonly isGone: boolean;
}

/** Reads the states of so many jobs, in their order. What is unreadable is reported once and has no state. */
export type Reads = (promptIds: readonly string[]) => Observable<Read>;

export function storedStates(
  { ask, redis, values }: Pick<RedisNodes, 'ask' | 'redis' | 'values'>,
  report: Report,
): Reads {
  const tell = toldOnce('redis list', report);

  function readOf(promptId: string, json: string | null): Observable<Read> {
    if (json === null) return unreadOf(promptId);
    const state = decodeJobState(jobKey(promptId), json);
    if (E.isRight(state)) return of({ promptId, state: state.right, isGone: false });
    tell(state.left);
    return of({ promptId, state: undefined, isGone: false });
  }

  /** To MGET, a key of another type is as good as gone. */
  const unreadOf = (promptId: string): Observable<Read> =>
    ask(() => redis.type(jobKey(promptId))).pipe(
      map((type): Read => {
        const isGone = type === 'none';
        if (!isGone && type !== 'string') tell(new UnreadableState(jobKey(promptId), 'it is not a string'));
        return { promptId, state: undefined, isGone };
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
