import type { Redis } from 'ioredis';
import { defer, filter, interval, noop, type Observable, type Subscription } from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { connect, PATIENT, type RedisConnection } from './connection';

/** What a connection that listens has to say. */
export type Heard =
  | { readonly tag: 'message'; readonly channel: string; readonly message: string }
  /** Listening has begun, at first or anew: what was published before was missed. */
  | { readonly tag: 'begun'; readonly channel: string }
  /** This node does not have the channel, or none of them any more. */
  | { readonly tag: 'astray' };

/** One connection to one node, that comes back by itself for as long as it takes. */
export interface RedisSubscriber {
  /** What it listens to, from the next moment that it can. */
  readonly channels: ReadonlySet<string>;
  add(channel: string): void;
  remove(channel: string): void;
  /** Removes a channel whose slot is another node's now: this node would refuse it. */
  forget(channel: string): void;
  /** Listens again to what it should hear and does not. */
  retry(): void;
  close(): Observable<never>;
}

class NodeSubscriber implements RedisSubscriber {
  readonly channels = new Set<string>();
  readonly #connection: RedisConnection;
  readonly #redis: Redis;
  readonly #hear: (heard: Heard) => void;
  readonly #report: Report;
  readonly #begun = new Set<string>();
  readonly #beating: Subscription;
  #refused = false;

  constructor(url: string, heartbeatMs: number, hear: (heard: Heard) => void, report: Report) {
    this.#connection = connect(url, PATIENT, 'redis listener', report);
    this.#redis = this.#connection.redis;
    this.#hear = hear;
    this.#report = report;
    this.#listen();
    this.#beating = interval(heartbeatMs)
      .pipe(filter(() => this.#isReady() && this.channels.size > 0))
      .subscribe(() => this.#beat());
  }

  add(channel: string): void {
    this.channels.add(channel);
    if (this.#isReady()) this.#subscribe(channel);
    if (this.#redis.status === 'wait') this.#redis.connect().catch(() => 'its error event tells');
  }

  remove(channel: string): void {
    this.channels.delete(channel);
    if (this.#begun.delete(channel)) this.#unsubscribe(channel);
  }

  forget(channel: string): void {
    this.channels.delete(channel);
    this.#begun.delete(channel);
  }

  retry(): void {
    if (!this.#isReady()) return;
    for (const channel of this.channels) if (!this.#begun.has(channel)) this.#subscribe(channel);
  }

  close(): Observable<never> {
    return defer(() => {
      this.#beating.unsubscribe();
      return this.#connection.hangUp();
    });
  }

  #listen(): void {
    this.#redis.on('ready', () => this.channels.forEach((channel) => this.#subscribe(channel)));
    this.#redis.on('smessage', (channel: string, message: string) => {
      if (this.channels.has(channel)) this.#hear({ tag: 'message', channel, message });
    });
    // ioredis 6.0.0 takes news of a moved slot for the answer to an unsubscription under way, and is one answer off then.
    this.#redis.on('error', ({ message }: Error) => {
      if (message.startsWith('Command queue state error')) this.#redis.disconnect(true);
    });
    this.#redis.on('close', () => this.#goAstray());
    // Some channel's slot is another node's now: ioredis does not say which.
    this.#redis.on('moved', () => this.#goAstray());
  }

  #isReady(): boolean {
    return this.#redis.status === 'ready';
  }

  #beat(): void {
    this.#send(() => this.#redis.ping());
    if (this.#refused) this.retry();
  }

  #goAstray(): void {
    this.#begun.clear();
    this.#hear({ tag: 'astray' });
  }

  #send(command: () => Promise<unknown>, next: () => void = noop): void {
    defer(command).subscribe({ next, error: (error: unknown) => this.#complain(error) });
  }

  #complain(error: unknown): void {
    // A lost connection tells so itself, and all is subscribed again when it is back.
    if (!this.#isReady() || isAstray(error)) return;
    // A user who may not listen to one channel may listen to none: reported once, and tried again at each heartbeat.
    if (isRefused(error) && this.#refused) return;
    this.#refused ||= isRefused(error);
    this.#report('redis listener', this.#connection.told(error));
  }

  #subscribe(channel: string): void {
    this.#send(
      () => this.#redis.ssubscribe(channel),
      () => {
        // ioredis repeats what a lost connection left unanswered, even if nobody wants it any more.
        if (!this.channels.has(channel)) this.#unsubscribe(channel);
        else {
          this.#begun.add(channel);
          this.#hear({ tag: 'begun', channel });
        }
      },
    );
  }

  #unsubscribe(channel: string): void {
    if (this.#isReady()) this.#send(() => this.#redis.sunsubscribe(channel));
  }
}

/** Connects with the first channel. A silent connection is asked for a sign of life: silence alone proves nothing (as in R7). */
export const redisSubscriber = (
  url: string,
  heartbeatMs: number,
  hear: (heard: Heard) => void,
  report: Report,
): RedisSubscriber => new NodeSubscriber(url, heartbeatMs, hear, report);

const isRefused = (error: unknown): boolean => (error as Error).message.startsWith('NOPERM');

/** Of a cluster that is changing: the channel is heard elsewhere, or nowhere yet. */
const isAstray = (error: unknown): boolean => /^(MOVED|CLUSTERDOWN|ASK|TRYAGAIN) /.test((error as Error).message);
