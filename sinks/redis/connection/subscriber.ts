import type { Redis } from 'ioredis';
import { defer, filter, interval, noop, type Observable, type Subscription } from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { connect, PATIENT, type RedisConnection } from './connection';

/** What a connection that listens reports. */
export type Heard =
  | { readonly tag: 'message'; readonly channel: string; readonly message: string }
  /** Redis has begun to send, at first or after an interruption: what was published before was missed. */
  | { readonly tag: 'begun'; readonly channel: string }
  /** Some or all of its channels are not heard at this node any more: its slots moved, or the connection was lost. */
  | { readonly tag: 'astray' };

/** One connection to one node; it reconnects by itself, for ever. */
export interface RedisSubscriber {
  /** The channels that it listens to, or will once it is connected. */
  readonly channels: ReadonlySet<string>;
  add(channel: string): void;
  remove(channel: string): void;
  /** Removes a channel whose slot is at another node by now: this one would refuse to unsubscribe it. */
  forget(channel: string): void;
  /** Subscribes again to the channels that Redis has not begun to send. */
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
  /** The first word of the last refusal, as `NOPERM`: every channel gets the same one, and it is reported once. */
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
    // When a slot moves, Redis says so. ioredis 6.0.0 takes that for the answer to an UNSUBSCRIBE under way, and each
    // later answer for that of the command before: only a new connection helps.
    this.#redis.on('error', ({ message }: Error) => {
      if (message.startsWith('Command queue state error')) this.#redis.disconnect(true);
    });
    this.#redis.on('close', () => this.#goAstray());
    // A channel's slot is at another node now: ioredis does not say which.
    this.#redis.on('moved', () => this.#goAstray());
  }

  #isReady(): boolean {
    return this.#redis.status === 'ready';
  }

  /** Tries refused channels again: Redis may have refused while a script ran, or until the user was given the right. */
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
    // A lost connection reports itself, and all channels are subscribed again when it is back.
    if (!this.#isReady() || isAstray(error)) return;
    const told = this.#connection.told(error);
    const [said] = told.message.split(' ');
    // A user who may not subscribe to one channel may not to any: reported once.
    if (said === this.#said) return;
    this.#said = said;
    this.#report('redis listener', told);
  }

  #subscribe(channel: string): void {
    this.#send(
      () => this.#redis.ssubscribe(channel),
      () => {
        // ioredis repeats commands that a lost connection left unanswered, even if the channel was removed since.
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

/**
 * Connects with the first channel. Pings every `heartbeatMs`, as a connection that is only silent may still be well (as
 * in R7).
 */
export const redisSubscriber = (
  url: string,
  heartbeatMs: number,
  hear: (heard: Heard) => void,
  report: Report,
): RedisSubscriber => new NodeSubscriber(url, heartbeatMs, hear, report);

const REFUSED = 'NOPERM';

/** An error of a cluster whose slots move: the channel is at another node, or at none yet. */
const isAstray = (error: unknown): boolean => /^(MOVED|CLUSTERDOWN|ASK|TRYAGAIN) /.test((error as Error).message);
