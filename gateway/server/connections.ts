import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** The open connections to a server, as a live set. */
export function connectionsTo(http: Server): ReadonlySet<Socket> {
  const connections = new Set<Socket>();
  http.on('connection', (connection) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
  });
  return connections;
}

/** What had left of a connection's answers, and how many looks in a row have found it so. */
interface Standstill {
  readonly left: number;
  readonly queued: number | undefined;
  readonly looks: number;
}

/**
 * So many looks in a row that find nothing more gone end a connection, four in each `stallMs` (30 s): 60 s. Outputs,
 * events and sockets are cut after 30 s by rules of their own, which tell of it and come first.
 */
const LOOKS = 8;
/** How many looks are to be made in `stallMs`. */
export const LOOKS_PER_STALL = 4;

/**
 * Makes a look at connections, to be called every so often. It resets those of which `LOOKS` looks after a first one
 * found that the peer took no byte of what waits for it: any answer's. A time-out of the connection would not do: each
 * byte that the peer sends begins it anew. Looks count, not time: in a process that stood still nobody could read. The
 * kernel keeps what it holds of a connection that is closed, up to some MiB, but not of one that is reset.
 */
export function resettingStalled(connections: Iterable<Socket>): () => void {
  const standstills = new WeakMap<Socket, Standstill>();
  const look = (connection: Socket): void => {
    const [left, queued] = [connection.bytesWritten - connection.writableLength, queuedOf(connection)];
    const last = standstills.get(connection);
    const looks = last?.left === left && last.queued === queued ? last.looks + 1 : 0;
    standstills.set(connection, { left, queued, looks });
    if (looks >= LOOKS) connection.resetAndDestroy();
  };
  return () => {
    for (const connection of connections)
      if (connection.writableLength > 0) look(connection);
      else standstills.delete(connection);
  };
}

/**
 * How many bytes of the piece that is being written the kernel has not taken yet, a private figure by which Node's own
 * time-outs judge slow readers. Without it a reader counts as stalled who takes less than a piece between all those looks.
 */
const queuedOf = (connection: Socket): number | undefined =>
  (connection as { readonly _handle?: { readonly writeQueueSize?: number } | null })._handle?.writeQueueSize;
