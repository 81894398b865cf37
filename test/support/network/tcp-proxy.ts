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
  const link = new ProxiedLink(target);
  const listener = createServer((client) => link.take(client));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    open: () => link.pairs.size,
    reset: () => link.each((...sockets) => sockets.forEach((socket) => socket.resetAndDestroy())),
    cutClients: () => link.cutClients(),
    releaseServers: () => link.releaseServers(),
    refuse: () => {
      link.isRefusing = true;
    },
    accept: () => {
      link.isRefusing = false;
    },
    slow: (latencyMs, bytesPerSecond = Number.POSITIVE_INFINITY) => {
      link.pace = { latencyMs, bytesPerSecond };
    },
    pause: () => {
      link.isPaused = true;
      link.each((...sockets) => sockets.forEach((socket) => socket.pause()));
    },
    resume: () => {
      link.isPaused = false;
      link.each((...sockets) => sockets.forEach((socket) => socket.resume()));
    },
    close: async () => {
      link.each((...sockets) => sockets.forEach((socket) => socket.destroy()));
      link.releaseServers();
      listener.close();
      await once(listener, 'close');
    },
  };
}

interface Pace {
  readonly latencyMs: number;
  readonly bytesPerSecond: number;
}

/** The connections through a proxy, and what is done to them. */
class ProxiedLink {
  readonly pairs = new Set<readonly [client: Socket, server: Socket]>();
  isRefusing = false;
  isPaused = false;
  pace: Pace = { latencyMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY };
  /** Servers' sides whose client was cut off. */
  readonly #orphans = new Set<Socket>();
  readonly #hostname: string;
  readonly #port: number;

  constructor(target: string) {
    const { hostname, port } = new URL(target);
    this.#hostname = hostname;
    this.#port = Number(port);
  }

  take(client: Socket): void {
    if (this.isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#port, this.#hostname);
    const pair = [client, server] as const;
    this.pairs.add(pair);
    for (const socket of pair) socket.on('error', () => undefined);
    this.#relay(client, server);
    this.#relay(server, client);
    if (this.isPaused) for (const socket of pair) socket.pause();
    client.on('close', () => {
      this.pairs.delete(pair);
      if (!this.#orphans.has(server)) server.destroy();
    });
    server.on('close', () => {
      this.#orphans.delete(server);
      client.destroy();
    });
  }

  each(act: (client: Socket, server: Socket) => void): void {
    for (const [client, server] of [...this.pairs]) act(client, server);
  }

  cutClients(): void {
    this.each((client, server) => {
      this.#orphans.add(server);
      client.resetAndDestroy();
    });
  }

  releaseServers(): void {
    for (const server of [...this.#orphans]) server.destroy();
  }

  #relay(from: Socket, to: Socket): void {
    const later = delayed(() => this.pace);
    from.on('data', (chunk) => later(chunk.length, () => to.write(chunk)));
    from.on('end', () =>
      later(0, () => {
        if (!this.#orphans.has(to)) to.end();
      }),
    );
  }
}

/** Does one thing after the other, each when its bytes have passed at the link's pace. */
function delayed(pace: () => Pace): (bytes: number, act: () => void) => void {
  let due = 0;
  const waiting: (() => void)[] = [];
  return (bytes, act) => {
    const { latencyMs, bytesPerSecond } = pace();
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
}
