import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { askedUrl } from './base-path';

/** The headers of the offer, and of the connection: left out when the head is put back. */
const OFFER = new Set(['upgrade', 'connection', 'http2-settings']);

/**
 * Answers a request that offers another protocol as if it had not (RFC 9110, 7.8): `Upgrade: h2c`, which Java's and
 * curl's clients send first, or a WebSocket at a path that has none. Node has read the request's head when it emits
 * `upgrade`: the head is put back without the offer, and the server takes the connection as a new one.
 */
export function ignoreOtherUpgrades(http: Server, isForSocket: (path: string) => boolean): void {
  const noteOwed = owedAnswers(http);
  http.on('upgrade', (request: IncomingMessage, connection: Duplex, rest: Buffer) => {
    if (isForSocket(request.url ?? '')) return;
    noteOwed(connection);
    connection.unshift(Buffer.concat([headWithoutOffer(request), rest]));
    http.emit('connection', connection);
  });
}

/**
 * Has the request whose head is put back answered after those before it on its connection. Node, which takes the
 * connection as a new one, does not know of them, and would never give it its turn. Call the result before that.
 */
function owedAnswers(http: Server): (connection: Duplex) => void {
  const newest = new WeakMap<Duplex, ServerResponse>();
  const owed = new WeakMap<Duplex, ServerResponse>();
  http.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const before = owed.get(socket);
    owed.delete(socket);
    newest.set(socket, response);
    before?.once('close', () => {
      if (socket.destroyed || response.socket !== null) return;
      // Node has set the time-out of an idle connection.
      socket.setTimeout(0);
      response.assignSocket(socket);
    });
  });
  return (connection) => {
    const before = newest.get(connection);
    if (before?.closed === false) owed.set(connection, before);
  };
}

function headWithoutOffer(request: IncomingMessage): Buffer {
  const { method, httpVersion, rawHeaders } = request;
  const isName = (at: number): boolean => at % 2 === 0;
  const headers = rawHeaders.flatMap((name, at) =>
    isName(at) && !OFFER.has(name.toLowerCase()) ? [`${name}: ${rawHeaders[at + 1] ?? ''}`] : [],
  );
  const lines = [`${method} ${askedUrl(request)} HTTP/${httpVersion}`, ...headers, 'Connection: close', '', ''];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}
