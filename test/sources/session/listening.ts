import { asyncScheduler, Subject, type SchedulerLike, type Subscription } from 'rxjs';
import { serverAddress } from '../../../sources/server-address';
import { defaultSocketTiming, webSocketSession, type SocketTiming } from '../../../sources/session';
import type { BoardEvent } from '../../../streams/board/board';
import type { SessionSockets } from '../../../streams/changes/job-changes';
import type { ComfyUIVersion } from '../../support/comfyui/versions';
import { steps } from '../../support/comfyui/workflows';
import { stopAll, until } from '../../support/comfyui/client/comfyui-client';
import { tcpProxy, type TcpProxy } from '../../support/network/tcp-proxy';

export const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];
export const CLIENT = 'a client';

export const listeners: Listening[] = [];
export const proxies: Pick<TcpProxy, 'close'>[] = [];

/** Ends all sockets, proxies and servers. */
export const stopListening = async () => {
  for (const { subscription } of listeners.splice(0)) subscription.unsubscribe();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await stopAll();
};

export type Tag = BoardEvent['tag'];
export type Event<T extends Tag> = Extract<BoardEvent, { readonly tag: T }>;

/** Everything one socket brought. */
export interface Listening {
  readonly events: readonly BoardEvent[];
  readonly reports: readonly (readonly [where: string, error: unknown])[];
  readonly subscription: Subscription;
  readonly reopen$: Subject<void>;
  readonly stop$: Subject<void>;
  of<T extends Tag>(tag: T): readonly Event<T>[];
  /** The error it ended with, or `completed`; absent while it lives. */
  end(): unknown;
  /** Resolves with its end. */
  ended(): Promise<unknown>;
}

export interface Options {
  readonly timing?: Partial<SocketTiming>;
  readonly clock?: SchedulerLike;
}

/** Opens a socket of `CLIENT`, and notes what it brings. */
export function listen(url: string, { timing, clock = asyncScheduler }: Options = {}): Listening {
  const reports: [string, unknown][] = [];
  const session: SessionSockets = webSocketSession({
    address: serverAddress(url),
    clientId: CLIENT,
    clock,
    report: (where, error) => reports.push([where, error]),
    timing: { ...defaultSocketTiming, ...timing },
  });
  const events: BoardEvent[] = [];
  const reopen$ = new Subject<void>();
  const stop$ = new Subject<void>();
  let end: unknown;
  const subscription = session.connect(reopen$, stop$).subscribe({
    next: (event) => events.push(event),
    error: (error: unknown) => (end = error),
    complete: () => (end = 'completed'),
  });
  const listening: Listening = {
    events,
    reports,
    subscription,
    reopen$,
    stop$,
    of: <T extends Tag>(tag: T) => events.filter((event): event is Event<T> => event.tag === tag),
    end: () => end,
    ended: async () => {
      await until(() => end !== undefined);
      return end;
    },
  };
  listeners.push(listening);
  return listening;
}

export const linked = async (listening: Listening): Promise<Listening> => {
  await until(() => listening.of('linked').length === 1);
  return listening;
};

export async function proxied(url: string): Promise<TcpProxy> {
  const proxy = await tcpProxy(url);
  proxies.push(proxy);
  return proxy;
}

/** What tells of steps: servers that send snapshots say the same by `progress`, which is then not read. */
export const progress = (socket: Listening) => [...socket.of('stepped'), ...socket.of('snapshot')];

export const fields = { client_id: CLIENT };
export const long = () => steps({ steps: 200, secondsPerStep: 0.02 });
