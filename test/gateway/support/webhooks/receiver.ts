import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly atMs: number;
  /** With what it was answered; 0 for nothing at all. */
  readonly answer: number;
}

/** A server of somebody who asked for webhooks. */
export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** Ids of webhooks that came while another attempt of theirs was under way. */
  readonly besides: readonly string[];
  /** What it answers; 204 at first. 0 for nothing at all. */
  answer: number;
  /** Ends whatever waits for an answer, without one. */
  hangUp(): void;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const underWay = new Set<string>();
  const besides: string[] = [];
  const server = createServer((request, response) => {
    const id = String(request.headers['webhook-id']);
    if (underWay.has(id)) besides.push(id);
    underWay.add(id);
    response.once('close', () => underWay.delete(id));
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({
        url: request.url,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
        atMs: Date.now(),
        answer: receiver.answer,
      });
      if (receiver.answer === 0) return;
      response.writeHead(receiver.answer, { Location: '/elsewhere' }).end('thanks');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    besides,
    answer: 204,
    hangUp: () => server.closeAllConnections(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}
