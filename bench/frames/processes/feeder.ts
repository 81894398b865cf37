/** A ComfyUI that runs nothing: it takes what is posted, and says over its sockets what the bench orders, as fast as it is told to. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { answering, pause, promptIdOf, stamp, type Fed, type FeederOrder } from '../talk';
import { chunkOf, chunksOf, frameOf, pythonJson, statusFrame, textFrame } from '../wire-frames';

const sockets = new Map<string, WebSocket>();
const posted = new Map<string, string[]>();
const done = new Set<string>();

const http = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answerTo(request.method, request.url ?? '', Buffer.concat(parts))));
  });
});

function answerTo(method: string | undefined, url: string, body: Buffer): unknown {
  if (method === 'POST' && url === '/prompt') {
    const { prompt_id, client_id } = JSON.parse(body.toString()) as { prompt_id: string; client_id: string };
    posted.set(client_id, [...(posted.get(client_id) ?? []), prompt_id]);
    // A queue that grew is told of: a socket that hears nothing of its own post is taken for deaf.
    if (sockets.has(client_id)) rawOf(client_id).write(statusFrame(posted.get(client_id)?.length ?? 0));
    return { prompt_id, number: 1, node_errors: {} };
  }
  const [, id] = /^\/api\/jobs\/([^/?]+)/.exec(url) ?? [];
  if (id !== undefined && done.has(id)) return { id, status: 'completed', outputs: outputs(id) };
  if (id !== undefined) return { id, status: 'in_progress' };
  if (url.startsWith('/api/jobs')) {
    // Jobs of several contenders have the same ids.
    const jobs = [...new Set([...posted.values()].flat())].filter((posted) => !done.has(posted));
    const listed = jobs.map((job, place) => ({ id: job, status: 'in_progress', priority: place, create_time: place }));
    return { jobs: listed, pagination: { offset: 0, limit: null, total: jobs.length, has_more: false } };
  }
  if (url.startsWith('/system_stats')) return { system: { os: 'posix' }, devices: [] };
  return { exec_info: { queue_remaining: 0 } };
}

const outputs = (id: string): unknown => ({
  '1': { images: [{ filename: `${id}.png`, subfolder: '', type: 'output' }] },
});

new WebSocketServer({ server: http }).on('connection', (socket, request) => {
  const clientId = new URL(request.url ?? '', 'http://feeder').searchParams.get('clientId') ?? '';
  sockets.set(clientId, socket);
  rawOf(clientId).write(statusFrame(0));
});

function rawOf(clientId: string): Socket {
  const socket = sockets.get(clientId);
  if (socket === undefined) throw new Error(`no socket of ${clientId}`);
  return (socket as unknown as { _socket: Socket })._socket;
}

/** Writes to the client's socket; to its next one where it has closed the last, as it does with one long silent (R7). */
async function written(clientId: string, bytes: Buffer): Promise<void> {
  while (!rawOf(clientId).writable) await pause(50);
  const socket = rawOf(clientId);
  if (socket.write(bytes)) return;
  const over = new AbortController();
  const drained = once(socket, 'drain', { signal: over.signal });
  const closed = once(socket, 'close', { signal: over.signal });
  await Promise.race([drained, closed]);
  // Whoever still listens hears that it is over, as an error.
  for (const waiting of [drained, closed]) waiting.catch(() => undefined);
  over.abort();
}

function held({ clientId, jobs }: FeederOrder & { tag: 'hold' }): Promise<Fed> {
  posted.set(
    clientId,
    Array.from({ length: jobs }, (_, n) => promptIdOf(n)),
  );
  return Promise.resolve({ frames: 0, seconds: 0 });
}

async function flood({ clientId, load, frames, end }: FeederOrder & { tag: 'flood' }): Promise<Fed> {
  const chunks = chunksOf(load);
  const began = performance.now();
  const writtenAt: number[] = [];
  let sent = 0;
  for (let n = 0; sent < frames; n += 1) {
    const chunk = chunks[n % chunks.length]!;
    writtenAt.push(stamp());
    // The bytes are written over only once they have left.
    await written(clientId, chunk.stamped());
    sent += chunk.frames;
  }
  await written(clientId, statusFrame(end));
  const lastPassAt = writtenAt.at(-chunks.length) ?? 0;
  return { frames: sent + 1, seconds: (performance.now() - began) / 1_000, lastPassAt };
}

const TICK_MS = 5;

async function pace({ clientId, load, perSecond, seconds, end }: FeederOrder & { tag: 'pace' }): Promise<Fed> {
  const frames = Array.from({ length: load.jobs }, (_, n) => chunkOf([frameOf(load, n)]));
  const began = performance.now();
  let sent = 0;
  for (;;) {
    const elapsed = (performance.now() - began) / 1_000;
    if (elapsed >= seconds) break;
    const due: Buffer[] = [];
    for (const target = elapsed * perSecond; sent < target; sent += 1) due.push(frames[sent % load.jobs]!.stamped());
    if (due.length > 0) await written(clientId, Buffer.concat(due));
    await pause(TICK_MS);
  }
  await written(clientId, statusFrame(end));
  return { frames: sent + 1, seconds: (performance.now() - began) / 1_000 };
}

async function live({ clientId, steps }: FeederOrder & { tag: 'live' }): Promise<Fed> {
  const ids = posted.get(clientId) ?? [];
  const began = performance.now();
  let sent = 0;
  const say = async (of: (id: string) => unknown): Promise<void> => {
    sent += ids.length;
    // What a closed socket does not bring, the history tells.
    if (rawOf(clientId).writable)
      await written(clientId, Buffer.concat(ids.map((id) => textFrame(pythonJson(of(id))))));
  };
  await say((id) => ({ type: 'execution_start', data: { prompt_id: id } }));
  for (let value = 1; value <= steps; value += 1) {
    await say((id) => {
      const node = { value, max: steps, state: 'running', node_id: '1', prompt_id: id, display_node_id: '1' };
      return { type: 'progress_state', data: { prompt_id: id, nodes: { '1': node } } };
    });
    await pause(100);
  }
  await say((id) => ({
    type: 'executed',
    data: { node: '1', display_node: '1', output: outputsOfNode(id), prompt_id: id },
  }));
  ids.forEach((id) => done.add(id));
  await say((id) => ({ type: 'execution_success', data: { prompt_id: id } }));
  posted.delete(clientId);
  return { frames: sent, seconds: (performance.now() - began) / 1_000 };
}

/** Resolves once the socket is open anew. */
async function dropped(clientId: string): Promise<Fed> {
  const before = sockets.get(clientId);
  before?.terminate();
  done.clear();
  while (sockets.get(clientId) === before) await pause(50);
  return { frames: 0, seconds: 0 };
}

const outputsOfNode = (id: string): unknown => ({ images: [{ filename: `${id}.png`, subfolder: '', type: 'output' }] });

answering((order: FeederOrder) => {
  switch (order.tag) {
    case 'hold':
      return held(order);
    case 'flood':
      return flood(order);
    case 'pace':
      return pace(order);
    case 'live':
      return live(order);
    case 'drop':
      return dropped(order.clientId);
  }
});

http.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
});
