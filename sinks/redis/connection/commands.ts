import { ReplyError, type Cluster, type Redis } from 'ioredis';
import { concat, firstValueFrom, ignoreElements, mergeMap, noop, Observable, race, timer } from 'rxjs';
import { StoreUnavailable } from '../../job-store';
import type { RedisConnection } from './connection';

/** Runs a Redis command and emits its answer. Errors with `StoreUnavailable`. */
export type Ask = <T>(command: () => Promise<T>) => Observable<T>;

/** Runs Redis commands. */
export interface Asking {
  readonly ask: Ask;
  /** Waits until each command under way has an answer or an error, closes the connections and completes. */
  readonly close: () => Observable<never>;
}

/**
 * How long QUIT may take, ms: a half-open link never answers it, and the connection for files has no `commandTimeout`.
 */
const QUIT_MS = 1_000;

/** How many commands, one after the other, `close` waits for: a write files its job, stores it, and files it anew. */
const MOST_IN_TURN = 8;

/**
 * Remembers the commands under way, for `close` to wait for them: on QUIT, a cluster drops those that wait for a node.
 */
export function asking({ redis, tried$, hasTried, told, hangUp }: RedisConnection<Redis | Cluster>): Asking {
  const underWay = new Set<Promise<unknown>>();
  const leaveTogether = corking(redis);
  let quitting: Promise<unknown> | undefined;

  // One observable, not three: there are thousands of commands a second.
  const answered = <T>(command: () => Promise<T>): Observable<T> =>
    new Observable((out) => {
      leaveTogether();
      const answer = command();
      underWay.add(answer);
      answer.then(
        (value) => {
          underWay.delete(answer);
          out.next(value);
          out.complete();
        },
        (error: unknown) => {
          underWay.delete(answer);
          out.error(unavailable(told(error), isUnheard(error)));
        },
      );
    });

  async function quit(): Promise<void> {
    for (let left = MOST_IN_TURN; left > 0 && underWay.size > 0; left -= 1) await Promise.allSettled(underWay);
    if (redis.status !== 'end') await firstValueFrom(race(redis.quit().catch(noop), timer(QUIT_MS)));
  }

  return {
    // No command leaves before the first attempt to connect has ended.
    ask: (command) => (hasTried() ? answered(command) : tried$.pipe(mergeMap(() => answered(command)))),
    close: () => concat(tried$.pipe(mergeMap(() => (quitting ??= quit()))), hangUp()).pipe(ignoreElements()),
  };
}

/**
 * Sends the commands of one turn of the event loop together at its end: each by itself costs a system call here and one
 * in Redis.
 */
function corking(redis: Redis | Cluster): () => void {
  let isCorked = false;
  return () => {
    // A connection that is being made has no stream yet; a cluster has one per node, none of which is corked.
    const { stream } = redis as { readonly stream?: Redis['stream'] };
    if (isCorked || stream === undefined) return;
    isCorked = true;
    stream.cork();
    process.nextTick(() => {
      isCorked = false;
      stream.uncork();
    });
  };
}

/** Whether a command that failed may have run all the same: it was neither refused by Redis nor left unsent. */
const isUnheard = (error: unknown): boolean =>
  !(error instanceof ReplyError) && !(error instanceof Error && error.message.includes('enableOfflineQueue'));

const unavailable = (cause: Error, maybeDone: boolean): StoreUnavailable =>
  new StoreUnavailable(`Redis: ${cause.message}`, { cause, maybeDone });
