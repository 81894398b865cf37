import type { IncomingMessage, Server } from 'node:http';
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
  http.on('upgrade', (request: IncomingMessage, connection: Duplex, rest: Buffer) => {
    if (isForSocket(request.url ?? '')) return;
    connection.unshift(Buffer.concat([headWithoutOffer(request), rest]));
    http.emit('connection', connection);
  });
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
