import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';

/** A ComfyUI that was taken over: it speaks the protocol, and means harm. */
interface HostileComfyUI {
  readonly url: string;
}

interface Posted {
  readonly promptId: string;
  readonly clientId: string;
}

const DEEP = '['.repeat(3 << 20);
const DOTS = '.'.repeat(1_000_000);
const IDS = Array.from({ length: 400_000 }, (_, n) => `${n}`);
const LONG_NAMED = Array.from({ length: 3_000 }, (_, n) => ({
  filename: `${n}${'f'.repeat(450)}.png`,
  subfolder: 's'.repeat(450),
  type: 'output',
}));
/** Nodes that a loop might have made, under ids as long as there may be. */
const made = (of: number): object =>
  Object.fromEntries(
    Array.from({ length: 1_500 }, (_, n) => [
      `2.${'0.'.repeat(990)}${of}.${n}`,
      { value: 1, max: 2, state: 'running' },
    ]),
  );
const OUTPUTS = Array.from({ length: 400_000 }, (_, n) => ({ filename: `${n}.png`, subfolder: '', type: 'output' }));

let sent = 0;

/** What it sends over a job's socket, one after the other, for as long as the job is not given up. */
const frames = ({ promptId }: Posted, victim: string): readonly string[] => [
  frame('execution_start', { prompt_id: promptId }),
  DEEP,
  frame('execution_cached', { prompt_id: promptId, nodes: IDS }),
  frame('progress_state', { prompt_id: promptId, nodes: made(sent++) }),
  frame('executed', { prompt_id: promptId, node: `9.${sent}`, output: { images: LONG_NAMED } }),
  frame('progress_state', { prompt_id: promptId, nodes: { [DOTS]: { value: 1, max: 2, state: 'running' } } }),
  frame('executing', { prompt_id: promptId, node: DOTS, display_node: DOTS }),
  frame('executed', { prompt_id: promptId, node: '9', output: { images: OUTPUTS } }),
  frame('executed', { prompt_id: promptId, node: '9', output: { text: ['x'.repeat(3 << 20)] } }),
  frame('progress', { prompt_id: victim, node: '2', value: 1, max: 1 }),
  frame('execution_success', { prompt_id: victim }),
  `{"type":"executed","data":{"prompt_id":"${promptId}","node":"9","output":{"n":[NaN,Infinity]}}}`,
  frame('execution_error', {
    prompt_id: promptId,
    node_type: 'y'.repeat(1 << 20),
    exception_message: 'z'.repeat(1 << 20),
  }),
  ...Array.from({ length: 200 }, (_, n) =>
    frame('progress', { prompt_id: `stray-${n}-${'s'.repeat(50_000)}`, node: '1', value: n, max: 9 }),
  ),
];

const frame = (type: string, data: object): string => JSON.stringify({ type, data });

/** Starts one. `victimOf` tells the id of somebody else's live job, which it answers with and sends frames of. */
async function startHostileComfyUI(victimOf: () => string): Promise<HostileComfyUI> {
  const posted: Posted[] = [];
  const sockets = new Map<string, WebSocket>();
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      if (request.method === 'POST' && request.url === '/prompt') {
        const [, clientId = ''] = /"client_id":"([^"]+)"/.exec(Buffer.concat(chunks).toString()) ?? [];
        const [, ours = ''] = /"prompt_id":"([^"]+)"/.exec(Buffer.concat(chunks).toString()) ?? [];
        const turn = posted.length % 3;
        const promptId = turn === 0 ? victimOf() : turn === 1 ? `../${'p'.repeat(5_000)}\r\n` : ours;
        posted.push({ promptId: ours, clientId });
        response.end(JSON.stringify({ prompt_id: promptId, number: 1, node_errors: {} }));
      } else if (request.url?.startsWith('/api/jobs') === true || request.url?.startsWith('/queue') === true)
        response.end(`${DEEP}NaN`);
      else response.end('{}');
    });
  });
  const wss = new WebSocketServer({ server: http, path: '/ws' });
  wss.on('connection', (socket, request) => {
    const clientId = new URL(request.url ?? '/', 'http://localhost').searchParams.get('clientId') ?? '';
    sockets.set(clientId, socket);
    socket.on('error', () => undefined);
    socket.send(frame('status', { status: { exec_info: { queue_remaining: 0 } }, sid: clientId }));
  });
  setInterval(() => {
    const job = posted.at(-1);
    const socket = job === undefined ? undefined : sockets.get(job.clientId);
    if (job === undefined || socket?.readyState !== socket?.OPEN || (socket?.bufferedAmount ?? 0) > 32 << 20) return;
    for (const each of frames(job, victimOf())) socket?.send(each);
  }, 1_000);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
  };
}

/** In a process of its own: what it sends takes long to make. */
async function main(): Promise<void> {
  let victim = '';
  const { url } = await startHostileComfyUI(() => victim);
  process.on('message', (promptId) => (victim = String(promptId)));
  process.send?.(url);
}

process.once('disconnect', () => process.exit());
void main();
