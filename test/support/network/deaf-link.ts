import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A link to a server on this machine whose client is cut off right after it sent certain bytes. */
export interface DeafLink {
  readonly port: number;
  /** Cuts the client off once it has sent this text, which reaches the server, and refuses it from then on. */
  cutAfter(text: string): void;
  /** Whether that has happened. */
  isCut(): boolean;
  /** Takes connections again. */
  mend(): void;
  close(): Promise<void>;
}

/** Starts such a link to a port of 127.0.0.1. */
export async function deafLink(port: number): Promise<DeafLink> {
  const sockets = new Set<Socket>();
  let last: string | undefined;
  let isCut = false;
  const take = (client: Socket): void => {
    if (isCut) return void client.resetAndDestroy();
    const server = connect(port, '127.0.0.1');
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    server.on('data', (bytes) => isCut || client.write(bytes));
    client.on('data', (bytes) => {
      if (isCut) return;
      server.write(bytes);
      if (last === undefined || !bytes.includes(last)) return;
      isCut = true;
      for (const socket of sockets) if (socket.localPort === own.port) socket.resetAndDestroy();
    });
    client.on('close', () => server.end());
  };
  const listener = createServer(take).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const own = listener.address() as AddressInfo;
  return {
    port: own.port,
    cutAfter: (text) => void (last = text),
    isCut: () => isCut,
    mend: () => {
      last = undefined;
      isCut = false;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
