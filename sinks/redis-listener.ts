import {
  defer,
  filter,
  fromEvent,
  ignoreElements,
  interval,
  merge,
  noop,
  Observable,
  share,
  takeUntil,
  tap,
  type Subscriber,
} from 'rxjs';
import type { Report } from '../streams/reporting';
import { connect, PATIENT } from './redis-connection';

/** How often a connection that only listens is asked for a sign of life: silence alone proves nothing (as in R7). */
const HEARTBEAT_MS = 10_000;

/** Hears what is published on sharded channels. */
export interface RedisListener {
  /**
   * Each message from subscription on, and `undefined` whenever listening has begun, at first or anew: what was
   * published before that was missed. Never completes or errors.
   */
  listen(channel: string): Observable<string | undefined>;
  /** Completes when the connection is gone. */
  close(): Observable<never>;
}

/** Connects when somebody first listens, then comes back by itself for as long as it takes. */
export function redisListener(url: string, report: Report, heartbeatMs = HEARTBEAT_MS): RedisListener {
  const connection = connect(url, PATIENT, 'redis listener', report);
  const { redis } = connection;
  const closed$ = fromEvent(redis, 'end');
  const heard = new Map<string, Subscriber<string | undefined>>();
  const shared = new Map<string, Observable<string | undefined>>();

  redis.on('ready', () => heard.forEach((_, channel) => subscribe(channel)));
  redis.on('smessage', (channel: string, message: string) => heard.get(channel)?.next(message));

  function send<T>(command: () => Promise<T>, next: (answer: T) => void = noop): void {
    defer(command).subscribe({
      next,
      error: (error: unknown) => {
        // A lost connection tells so itself, and all is subscribed again when it is back.
        if (redis.status === 'ready') report('redis listener', connection.told(error));
      },
    });
  }

  function subscribe(channel: string): void {
    send(
      () => redis.ssubscribe(channel),
      () => {
        // ioredis repeats what a lost connection left unanswered, even if nobody wants it any more.
        if (heard.has(channel)) heard.get(channel)?.next(undefined);
        else unsubscribe(channel);
      },
    );
  }

  function unsubscribe(channel: string): void {
    if (redis.status === 'ready') send(() => redis.sunsubscribe(channel));
  }

  const heartbeat$ = interval(heartbeatMs).pipe(
    filter(() => redis.status === 'ready'),
    tap(() => send(() => redis.ping())),
    ignoreElements(),
    takeUntil(closed$),
    share(),
  );

  const hearing = (channel: string): Observable<string | undefined> =>
    new Observable((out) => {
      heard.set(channel, out);
      if (redis.status === 'ready') subscribe(channel);
      if (redis.status === 'wait') redis.connect().catch(() => 'its error event tells');
      return () => {
        heard.delete(channel);
        shared.delete(channel);
        unsubscribe(channel);
      };
    });

  return {
    listen: (channel) =>
      defer(() => {
        const heard$ = shared.get(channel) ?? merge(hearing(channel), heartbeat$).pipe(share());
        shared.set(channel, heard$);
        return heard$;
      }),
    close: () => connection.hangUp(),
  };
}
