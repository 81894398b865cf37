import type { IncomingMessage } from 'node:http';
import { bounds } from '../../../streams/bounds';
import { addressOf } from '../admission';
import { onExcess } from './received-bytes';
import { setsByKey } from '../../../streams/maps/sets-by-key';

/** What is used of an engine.io connection. */
export interface UnknownConnection {
  readonly request: IncomingMessage;
  close(discard: boolean): void;
  on(event: 'packet', hear: (packet: { readonly type: string; readonly data?: unknown }) => void): unknown;
  once(event: 'close', hear: () => void): unknown;
}

/**
 * Connections that have not shown a valid token yet: 1,000 of one address (`bounds.unknownSocketsPerAddress`), of which
 * each may send 4 CONNECT packets (`bounds.connectsPerSocket`) and 64 KiB in all (`bounds.unknownSocketBytes`).
 */
export interface UnknownSockets {
  hasRoomFor(request: IncomingMessage): boolean;
  add(connection: UnknownConnection): void;
  /** Call it when the connection has shown a valid token. */
  remove(connection: UnknownConnection): void;
}

export function unknownSockets(proxies: number): UnknownSockets {
  const unknown = setsByKey<string, UnknownConnection>();
  const addresses = new WeakMap<UnknownConnection, string>();
  const counting = new WeakMap<UnknownConnection, () => void>();

  const forget = (connection: UnknownConnection): void => {
    const address = addresses.get(connection);
    if (address !== undefined) unknown.delete(address, connection);
  };

  return {
    hasRoomFor: (request) => unknown.of(addressOf(request, proxies)).size < bounds.unknownSocketsPerAddress,
    add(connection) {
      const address = addressOf(connection.request, proxies);
      addresses.set(connection, address);
      unknown.add(address, connection);
      const { socket } = connection.request;
      counting.set(
        connection,
        onExcess(socket, bounds.unknownSocketBytes, Infinity, () => socket.destroy()),
      );
      let connects = 0;
      connection.on('packet', ({ type, data }) => {
        // 0 is Socket.IO's CONNECT, to any namespace. Each costs a check of a token, or an answer.
        if (type !== 'message' || typeof data !== 'string' || !data.startsWith('0')) return;
        connects += 1;
        if (connects > bounds.connectsPerSocket) connection.close(true);
      });
      // Its bytes count on: who is refused may send on for 30 s, until the handshake that closes the connection is given up.
      connection.once('close', () => forget(connection));
    },
    remove(connection) {
      counting.get(connection)?.();
      forget(connection);
    },
  };
}
