import { defer, filter, interval, noop, type Observable } from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { connect, PATIENT } from './connection';

/** What a connection that listens has to say. */
export type Heard =
  | { readonly tag: 'message'; readonly channel: string; readonly message: string }
  /** Listening has begun, at first or anew: what was published before was missed. */
  | { readonly tag: 'begun'; readonly channel: string }
  /** This node does not have the channel, or none of them any more. */
  | { readonly tag: 'astray' };

/** One connection to one node, that comes back by itself for as long as it takes. */
export interface RedisEar {
  /** What it listens to, from the next moment that it can. */
  readonly channels: ReadonlySet<string>;
  add(channel: string): void;
  remove(channel: string): void;
  /** Removes what is another node's now, to which this one would say nothing but that. */
  forget(channel: string): void;
  /** Listens again to what it should hear and does not. */
  retry(): void;
  close(): Observable<never>;
}

/** Connects with the first channel. A silent connection is asked for a sign of life: silence alone proves nothing (as in R7). */
export function redisEar(url: string, heartbeatMs: number, hear: (heard: Heard) => void, report: Report): RedisEar {
  const connection = connect(url, PATIENT, 'redis listener', report);
  const { redis } = connection;
  const channels = new Set<string>();
  const begun = new Set<string>();
  let refused = false;

  redis.on('ready', () => channels.forEach(subscribe));
  redis.on('smessage', (channel: string, message: string) => {
    if (channels.has(channel)) hear({ tag: 'message', channel, message });
  });
  // ioredis 6.0.0 takes news of a moved slot for the answer to an unsubscription under way, and is one answer off then.
  redis.on('error', ({ message }: Error) => {
    if (message.startsWith('Command queue state error')) redis.disconnect(true);
  });
  redis.on('close', goAstray);
  redis.on('moved', goAstray); // some channel's slot is another node's now: ioredis does not say which

  function goAstray(): void {
    begun.clear();
    hear({ tag: 'astray' });
  }

  function send(command: () => Promise<unknown>, next: () => void = noop): void {
    defer(command).subscribe({
      next,
      error: (error: unknown) => {
        // A lost connection tells so itself, and all is subscribed again when it is back.
        if (redis.status !== 'ready' || isAstray(error)) return;
        // Who may not listen to one channel may listen to none: it is told once, and tried again at each heartbeat.
        if (isRefused(error) && refused) return;
        refused ||= isRefused(error);
        report('redis listener', connection.told(error));
      },
    });
  }

  function subscribe(channel: string): void {
    send(
      () => redis.ssubscribe(channel),
      () => {
        // ioredis repeats what a lost connection left unanswered, even if nobody wants it any more.
        if (!channels.has(channel)) unsubscribe(channel);
        else {
          begun.add(channel);
          hear({ tag: 'begun', channel });
        }
      },
    );
  }

  function unsubscribe(channel: string): void {
    if (redis.status === 'ready') send(() => redis.sunsubscribe(channel));
  }

  function retry(): void {
    if (redis.status === 'ready') channels.forEach((channel) => begun.has(channel) || subscribe(channel));
  }

  const beating = interval(heartbeatMs)
    .pipe(filter(() => redis.status === 'ready' && channels.size > 0))
    .subscribe(() => {
      send(() => redis.ping());
      if (refused) retry();
    });

  return {
    channels,
    add: (channel) => {
      channels.add(channel);
      if (redis.status === 'ready') subscribe(channel);
      if (redis.status === 'wait') redis.connect().catch(() => 'its error event tells');
    },
    remove: (channel) => {
      channels.delete(channel);
      if (begun.delete(channel)) unsubscribe(channel);
    },
    forget: (channel) => {
      channels.delete(channel);
      begun.delete(channel);
    },
    retry,
    close: () =>
      defer(() => {
        beating.unsubscribe();
        return connection.hangUp();
      }),
  };
}

const isRefused = (error: unknown): boolean => (error as Error).message.startsWith('NOPERM');

/** Of a cluster that is changing: the channel is heard elsewhere, or nowhere yet. */
const isAstray = (error: unknown): boolean => /^(MOVED|CLUSTERDOWN|ASK|TRYAGAIN) /.test((error as Error).message);
