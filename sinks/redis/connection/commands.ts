import type { Cluster, Redis } from 'ioredis';
import { concat, defer, firstValueFrom, ignoreElements, mergeMap, noop, race, timer, type Observable } from 'rxjs';
import { StoreUnavailable } from '../../job-store';
import type { RedisConnection } from './connection';

/** Commands, answered. */
export interface Asking {
  /** Has a command answered. Errors with `StoreUnavailable`. */
  readonly ask: <T>(command: () => Promise<T>) => Observable<T>;
  /** Completes when what was asked is answered, as far as it is at all, and the connections are gone. */
  readonly close: () => Observable<never>;
}

/** A link that is half open does not answer QUIT, and not every connection has a time-out of its own. */
const QUIT_MS = 1_000;

/** Knows which commands are under way: a cluster that is told to quit drops those that wait for a node. */
export function asking({ redis, tried$, hasTried, told, hangUp }: RedisConnection<Redis | Cluster>): Asking {
  const underWay = new Set<Promise<unknown>>();
  const leaveTogether = corking(redis);
  let quitting: Promise<unknown> | undefined;

  async function answered<T>(command: () => Promise<T>): Promise<T> {
    leaveTogether();
    const answer = command();
    underWay.add(answer);
    try {
      return await answer;
    } catch (error) {
      throw unavailable(told(error));
    } finally {
      underWay.delete(answer);
    }
  }

  async function quit(): Promise<void> {
    await Promise.allSettled(underWay);
    if (redis.status !== 'end') await firstValueFrom(race(redis.quit().catch(noop), timer(QUIT_MS)));
  }

  return {
    // A promise and no operators in all but the first: there are thousands of commands a second.
    ask: (command) => defer(() => (hasTried() ? answered(command) : tried$.pipe(mergeMap(() => answered(command))))),
    close: () => concat(tried$.pipe(mergeMap(() => (quitting ??= quit()))), hangUp()).pipe(ignoreElements()),
  };
}

/** Commands of one turn of the event loop leave together at its end: each by itself costs a system call, here and in Redis. */
function corking(redis: Redis | Cluster): () => void {
  let isCorked = false;
  return () => {
    // A connection that is being made has none yet, and a cluster several, each for some of the commands.
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

const unavailable = (cause: Error): StoreUnavailable => new StoreUnavailable(`Redis: ${cause.message}`, { cause });
