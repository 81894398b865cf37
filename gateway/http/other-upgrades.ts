import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { askedUrl } from './base-path';

/** What offers the other protocol, and belongs to the connection: not said again. */
const OFFER = new Set(['upgrade', 'connection', 'http2-settings']);

/**
 * Answers who offers a protocol that is not spoken here as if they had not offered it (RFC 9110, 7.8): `Upgrade: h2c`,
 * which Java's and curl's clients send first, or a WebSocket at a path that has none. Node hands such a connection over with the
 * request's head read: it is put back without the offer, and the connection is taken as a new one.
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
