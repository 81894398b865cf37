import {
  asyncScheduler,
  defer,
  from,
  ignoreElements,
  mergeMap,
  Observable,
  share,
  Subject,
  throttleTime,
  type Subscriber,
} from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { redisEar, type Heard, type RedisEar } from './subscriber';
import type { RedisNodes } from './topology';

/** How often a connection that only listens is asked for a sign of life. */
const HEARTBEAT_MS = 10_000;

/** A cluster that changes is looked at no more often. */
const LOOK_MS = 200;

/** Hears what is published on sharded channels. */
export interface RedisListener {
  /**
   * Each message from subscription on, and `undefined` whenever listening has begun, at first or anew: what was
   * published before that was missed. Never completes or errors.
   */
  listen(channel: string): Observable<string | undefined>;
  /** Completes when the connections are gone. */
  close(): Observable<never>;
}

/** Somebody who listens, and where. */
interface Listening {
  readonly out: Subscriber<string | undefined>;
  home?: string;
}

/**
 * Listens on connections of its own, to each channel where it is at home: with a cluster, a channel moves to another
 * node with its slot, and so do those who listen. A channel is subscribed while somebody listens, once for all who do.
 */
export function redisListener(
  { homeOf, moved$, lookAround }: Pick<RedisNodes, 'homeOf' | 'moved$' | 'lookAround'>,
  report: Report,
  heartbeatMs = HEARTBEAT_MS,
): RedisListener {
  const ears = new Map<string, RedisEar>();
  const listening = new Map<string, Listening>();
  const shared = new Map<string, Observable<string | undefined>>();
  const astray$ = new Subject<void>();

  const earAt = (url: string): RedisEar => {
    const ear = ears.get(url) ?? redisEar(url, heartbeatMs, hear, report);
    ears.set(url, ear);
    return ear;
  };

  const earOf = ({ home = '' }: Listening): RedisEar | undefined => ears.get(home);

  function hear(heard: Heard): void {
    if (heard.tag === 'astray') astray$.next();
    else listening.get(heard.channel)?.out.next(heard.tag === 'message' ? heard.message : undefined);
  }

  function settle(channel: string, each: Listening): void {
    const home = homeOf(channel);
    if (home === undefined || home === each.home) return;
    earOf(each)?.forget(channel);
    each.home = home;
    earAt(home).add(channel);
  }

  function settleAll(): void {
    listening.forEach((each, channel) => settle(channel, each));
    ears.forEach((ear, url) => {
      if (ear.channels.size > 0) ear.retry();
      else if (ears.delete(url)) ear.close().subscribe();
    });
  }

  const moving = moved$.subscribe(settleAll);
  moving.add(
    astray$.pipe(throttleTime(LOOK_MS, asyncScheduler, { leading: true, trailing: true })).subscribe(lookAround),
  );

  const heard = (channel: string): Observable<string | undefined> =>
    new Observable((out) => {
      const each: Listening = { out };
      listening.set(channel, each);
      settle(channel, each);
      return () => {
        listening.delete(channel);
        shared.delete(channel);
        earOf(each)?.remove(channel);
      };
    });

  return {
    listen: (channel) =>
      defer(() => {
        const heard$ = shared.get(channel) ?? heard(channel).pipe(share());
        shared.set(channel, heard$);
        return heard$;
      }),
    close: () =>
      defer(() => {
        moving.unsubscribe();
        return from([...ears.values()]).pipe(mergeMap((ear) => ear.close()));
      }).pipe(ignoreElements()),
  };
}
