/** Ten ComfyUI servers in a process of their own, each with its share of the jobs named by number in its queue, that say nothing. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const servers = Number(process.argv[2]);
const jobs = Number(process.argv[3]);

async function main(): Promise<void> {
  const urls = await Promise.all(Array.from({ length: servers }, (_, n) => serving(n)));
  process.stdout.write(`${JSON.stringify(urls)}\n`);
}

async function serving(n: number): Promise<string> {
  const ids = Array.from({ length: jobs }, (_, job) => `job-${job}`).filter((_, job) => job % servers === n);
  const queue = ids.map((id, place) => ({
    id,
    status: 'pending',
    priority: place,
    create_time: place,
    outputs_count: 0,
  }));
  const body = JSON.stringify({
    jobs: queue,
    pagination: { offset: 0, limit: null, total: ids.length, has_more: false },
  });
  const http = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    const isList = request.url?.startsWith('/api/jobs?status=in_progress') === true;
    response.end(isList ? body : '{}');
  });
  const sockets = new WebSocketServer({ server: http });
  sockets.on('connection', (socket) => {
    const status = { exec_info: { queue_remaining: ids.length } };
    socket.send(JSON.stringify({ type: 'status', data: { status, sid: 'bench' } }));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

void main();
