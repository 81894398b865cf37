import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy between two parts, to do to their link what networks do. */
export interface TcpProxy {
  readonly url: string;
  /** Connections open now. */
  open(): number;
  /** Resets every connection on both sides. */
  reset(): void;
  /** Resets the client's side only: the server goes on believing in a half-open connection. */
  cutClients(): void;
  /** Ends what `cutClients` left behind on the server's side, as a server's TCP does when it notices at last. */
  releaseServers(): void;
  /** Refuses new connections until `accept`. */
  refuse(): void;
  accept(): void;
  /** From now on every byte takes so long, and so many pass a second each way of a connection. */
  slow(latencyMs: number, bytesPerSecond?: number): void;
  /** Holds all bytes back until `resume`. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

/** Starts a proxy to an `http://host:port` URL on a free port. */
export async function tcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<readonly [client: Socket, server: Socket]>();
  const orphans = new Set<Socket>();
  let refusing = false;
  let paused = false;
  let latencyMs = 0;
  let bytesPerSecond = Number.POSITIVE_INFINITY;

  const listener = createServer((client) => {
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(Number(port), hostname);
    const pair = [client, server] as const;
    pairs.add(pair);
    for (const socket of pair) socket.on('error', () => undefined);
    const relay = (from: Socket, to: Socket): void => {
      let due = 0;
      const waiting: (() => void)[] = [];
      const later = (bytes: number, act: () => void): void => {
        const now = Date.now();
        due = Math.max(due, now + latencyMs) + (bytes / bytesPerSecond) * 1000;
        if (due <= now && waiting.length === 0) {
          act();
          return;
        }
        // Timers of a busy machine are late and out of order; bytes are late only.
        waiting.push(act);
        setTimeout(() => waiting.shift()?.(), Math.max(0, due - now));
      };
      from.on('data', (chunk) => later(chunk.length, () => to.write(chunk)));
      from.on('end', () =>
        later(0, () => {
          if (!orphans.has(to)) to.end();
        }),
      );
    };
    relay(client, server);
    relay(server, client);
    if (paused) for (const socket of pair) socket.pause();
    client.on('close', () => {
      pairs.delete(pair);
      if (!orphans.has(server)) server.destroy();
    });
    server.on('close', () => {
      orphans.delete(server);
      client.destroy();
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port: own } = listener.address() as AddressInfo;

  const each = (act: (client: Socket, server: Socket) => void): void => {
    for (const [client, server] of [...pairs]) act(client, server);
  };
  return {
    url: `http://127.0.0.1:${own}`,
    open: () => pairs.size,
    reset: () =>
      each((client, server) => {
        client.resetAndDestroy();
        server.resetAndDestroy();
      }),
    cutClients: () =>
      each((client, server) => {
        orphans.add(server);
        client.resetAndDestroy();
      }),
    releaseServers: () => {
      for (const server of [...orphans]) server.destroy();
    },
    refuse: () => {
      refusing = true;
    },
    accept: () => {
      refusing = false;
    },
    slow: (latency, bandwidth = Number.POSITIVE_INFINITY) => {
      latencyMs = latency;
      bytesPerSecond = bandwidth;
    },
    pause: () => {
      paused = true;
      each((...sockets) => sockets.forEach((socket) => socket.pause()));
    },
    resume: () => {
      paused = false;
      each((...sockets) => sockets.forEach((socket) => socket.resume()));
    },
    close: async () => {
      each((client, server) => {
        client.destroy();
        server.destroy();
      });
      for (const server of [...orphans]) server.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
