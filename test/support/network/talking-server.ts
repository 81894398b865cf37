import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';

/** A server that takes whatever is posted and says on its sockets whatever it is told to. */
export interface TalkingServer {
  readonly url: string;
  /** Has its history tell of a job’s outputs. */
  end(promptId: string, outputs: object): void;
  /** Sends a text frame to every socket. */
  say(frame: string): void;
  close(): Promise<void>;
}

/** `answer` is what it says to a post, by the id that it was posted under. */
export async function talkingServer(
  answer: (promptId: string) => unknown = (prompt_id) => ({ prompt_id, number: 1, node_errors: {} }),
): Promise<TalkingServer> {
  const sockets = new Set<WebSocket>();
  const ended = new Map<string, object>();
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      const said = answered(request.method, request.url ?? '', Buffer.concat(chunks).toString());
      response.statusCode = said === undefined ? 404 : 200;
      response.end(JSON.stringify(said ?? { error: 'Job not found' }));
    });
  });
  const answered = (method: string | undefined, url: string, body: string): unknown => {
    const id = url.split('/').pop() ?? '';
    if (ended.has(id)) return { id, status: 'completed', outputs: ended.get(id) };
    if (url.startsWith('/api/jobs?')) return { jobs: [], pagination: {} };
    if (url.startsWith('/api/jobs/') && method === 'GET') return undefined;
    if (method !== 'POST') return { exec_info: { queue_remaining: 0 } };
    return url === '/prompt' ? answer(/"prompt_id":"([^"]+)"/.exec(body.slice(-500))?.[1] ?? '') : {};
  };
  const server = new WebSocketServer({ server: http });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.send(JSON.stringify({ type: 'status', data: { status: { exec_info: { queue_remaining: 0 } } } }));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    end: (promptId, outputs) => void ended.set(promptId, outputs),
    say: (frame) => sockets.forEach((socket) => socket.send(frame)),
    close: async () => {
      sockets.forEach((socket) => socket.terminate());
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
