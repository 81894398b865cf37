import { createServer, request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** A reverse proxy that lets nobody past without a login, as people put before their ComfyUI. */
export interface LoginProxy {
  /** Without the login. */
  readonly url: string;
  /** With the login in it. */
  readonly loginUrl: string;
  /** What must never be seen anywhere: the password, as it is and as it travels. */
  readonly secrets: readonly string[];
  /** How many requests and handshakes it let past. */
  passed(): number;
  close(): Promise<void>;
}

const user = 'ada';
const password = 'pass-word-of-ada';

/** Starts one to an `http://host:port` URL on a free port. */
export async function loginProxy(target: string): Promise<LoginProxy> {
  const { hostname, port } = new URL(target);
  const base64 = Buffer.from(`${user}:${password}`).toString('base64');
  const sockets = new Set<Socket>();
  let passed = 0;
  const isKnown = ({ headers }: IncomingMessage): boolean => {
    const known = headers.authorization === `Basic ${base64}`;
    if (known) passed += 1;
    return known;
  };

  const server = createServer((incoming, outgoing) => {
    if (!isKnown(incoming)) {
      outgoing.writeHead(401, { 'Content-Type': 'application/json' }).end('{"error": "who are you?"}');
      return;
    }
    const { method, url, headers } = incoming;
    const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (incoming, socket: Socket, head) => {
    if (!isKnown(incoming)) {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    const onward = connect(Number(port), hostname);
    for (const end of [socket, onward]) end.on('error', () => undefined);
    onward.write(`${incoming.method ?? ''} ${incoming.url ?? ''} HTTP/1.1\r\n`);
    for (let n = 0; n < incoming.rawHeaders.length; n += 2)
      onward.write(`${incoming.rawHeaders[n] ?? ''}: ${incoming.rawHeaders[n + 1] ?? ''}\r\n`);
    onward.write('\r\n');
    onward.write(head);
    onward.pipe(socket).pipe(onward);
    socket.on('close', () => onward.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url: `http://${host}`,
    loginUrl: `http://${user}:${password}@${host}`,
    secrets: [password, base64],
    passed: () => passed,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
