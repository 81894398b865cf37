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
  /** What was last said against listening, by the first word of the answer: each channel is told the same. */
  #said: string | undefined;

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
    this.#redis.on('ready', () => {
      if (this.#said !== REFUSED) this.#said = undefined;
      this.channels.forEach((channel) => this.#subscribe(channel));
    });
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

  /** A channel may have been refused for a while: while somebody's script ran, or until the user was given the right. */
  #beat(): void {
    this.#send(() => this.#redis.ping());
    this.retry();
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
    const told = this.#connection.told(error);
    const [said] = told.message.split(' ');
    // A user who may not listen to one channel may listen to none.
    if (said === this.#said) return;
    this.#said = said;
    this.#report('redis listener', told);
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

const REFUSED = 'NOPERM';

/** Of a cluster that is changing: the channel is heard elsewhere, or nowhere yet. */
const isAstray = (error: unknown): boolean => /^(MOVED|CLUSTERDOWN|ASK|TRYAGAIN) /.test((error as Error).message);
