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
  type Subscription,
} from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { redisSubscriber, type Heard, type RedisSubscriber } from './subscriber';
import type { RedisNodes } from './topology';

/** How often a connection that only listens is pinged, ms. */
const HEARTBEAT_MS = 10_000;

/** The shortest time between two requests for the slots of a changing cluster, ms. */
const LOOK_MS = 200;

/** Receives what is published on sharded channels. */
export interface RedisListener {
  /**
   * Each message from subscription on, and `undefined` whenever Redis has begun to send, at first or after an
   * interruption: what was published before that was missed. Never completes or errors.
   */
  listen(channel: string): Observable<string | undefined>;
  /** Completes when the connections are gone. */
  close(): Observable<never>;
}

/** Where the messages of a channel go, and `home`, the URL of the node that it is subscribed at. */
interface Listening {
  readonly out: Subscriber<string | undefined>;
  home?: string;
}

type Homes = Pick<RedisNodes, 'homeOf' | 'moved$' | 'lookAround'>;

/**
 * Listens on connections of its own, to each channel at the master of its slot. When a cluster moves the slot to
 * another node, the channel is subscribed there. A channel is subscribed while somebody listens, once for all who do.
 */
class HomeListener implements RedisListener {
  readonly #homes: Homes;
  readonly #report: Report;
  readonly #heartbeatMs: number;
  readonly #subscribers = new Map<string, RedisSubscriber>();
  readonly #listening = new Map<string, Listening>();
  readonly #shared = new Map<string, Observable<string | undefined>>();
  readonly #astray$ = new Subject<void>();
  readonly #moving: Subscription;

  constructor(homes: Homes, report: Report, heartbeatMs: number) {
    this.#homes = homes;
    this.#report = report;
    this.#heartbeatMs = heartbeatMs;
    this.#moving = homes.moved$.subscribe(() => this.#settleAll());
    const look$ = this.#astray$.pipe(throttleTime(LOOK_MS, asyncScheduler, { leading: true, trailing: true }));
    this.#moving.add(look$.subscribe(() => homes.lookAround()));
  }

  listen(channel: string): Observable<string | undefined> {
    return defer(() => {
      const heard$ = this.#shared.get(channel) ?? this.#heard(channel).pipe(share());
      this.#shared.set(channel, heard$);
      return heard$;
    });
  }

  close(): Observable<never> {
    return defer(() => {
      this.#moving.unsubscribe();
      return from([...this.#subscribers.values()]).pipe(mergeMap((subscriber) => subscriber.close()));
    }).pipe(ignoreElements());
  }

  #heard(channel: string): Observable<string | undefined> {
    return new Observable((out) => {
      const each: Listening = { out };
      this.#listening.set(channel, each);
      this.#settle(channel, each);
      return () => {
        this.#listening.delete(channel);
        this.#shared.delete(channel);
        this.#subscriberOf(each)?.remove(channel);
      };
    });
  }

  #subscriberAt(url: string): RedisSubscriber {
    const subscriber =
      this.#subscribers.get(url) ?? redisSubscriber(url, this.#heartbeatMs, (heard) => this.#hear(heard), this.#report);
    this.#subscribers.set(url, subscriber);
    return subscriber;
  }

  #subscriberOf({ home = '' }: Listening): RedisSubscriber | undefined {
    return this.#subscribers.get(home);
  }

  #hear(heard: Heard): void {
    if (heard.tag === 'astray') this.#astray$.next();
    else this.#listening.get(heard.channel)?.out.next(heard.tag === 'message' ? heard.message : undefined);
  }

  /** Subscribes a channel at the node that has its slot now. */
  #settle(channel: string, each: Listening): void {
    const home = this.#homes.homeOf(channel);
    if (home === undefined || home === each.home) return;
    this.#subscriberOf(each)?.forget(channel);
    each.home = home;
    this.#subscriberAt(home).add(channel);
  }

  #settleAll(): void {
    this.#listening.forEach((each, channel) => this.#settle(channel, each));
    this.#subscribers.forEach((subscriber, url) => {
      if (subscriber.channels.size > 0) subscriber.retry();
      else if (this.#subscribers.delete(url)) subscriber.close().subscribe();
    });
  }
}

/** Listens to one Redis, or to a cluster. */
export const redisListener = (homes: Homes, report: Report, heartbeatMs = HEARTBEAT_MS): RedisListener =>
  new HomeListener(homes, report, heartbeatMs);
