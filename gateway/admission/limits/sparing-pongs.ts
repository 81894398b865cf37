import type { IncomingMessage } from 'node:http';
import { WebSocketServer, type ServerOptions, type WebSocket } from 'ws';

/**
 * A WebSocket server for engine.io, whose sockets answer pings one at a time. `ws` answers each at once: a peer that
 * pings and reads nothing would fill the memory with pongs.
 */
export class SparingServer extends WebSocketServer {
  constructor(options: ServerOptions) {
    super({ ...options, autoPong: false });
  }

  /**
   * Takes no WebSocket in the place of one that there is (`sid`), as engine.io would after polling, which is not
   * offered. Else a user moved to a connection that nothing watches: it outlived the token and every limit.
   */
  override shouldHandle({ url = '' }: IncomingMessage): boolean {
    return !new URL(url, 'http://x').searchParams.has('sid');
  }

  override handleUpgrade(...[request, socket, head, done]: Parameters<WebSocketServer['handleUpgrade']>): void {
    super.handleUpgrade(request, socket, head, (client, upgraded) => {
      answerSparingly(client);
      done(client, upgraded);
    });
  }
}

/** While a pong waits to leave, of all pings that arrive only the newest is answered, after it (RFC 6455, 5.5.3). */
function answerSparingly(client: WebSocket): void {
  let isAnswering = false;
  let newest: Buffer | undefined;
  const answer = (payload: Buffer): void => {
    isAnswering = true;
    client.pong(payload, false, () => {
      isAnswering = false;
      if (newest === undefined) return;
      const next = newest;
      newest = undefined;
      answer(next);
    });
  };
  client.on('ping', (payload) => {
    if (isAnswering) newest = payload;
    else answer(payload);
  });
}
