import { WebSocket } from 'ws';
import { startComfyUI } from '../stand-in';
import type { ComfyUIStandIn, StandInOptions } from '../stand-in';
import { until } from '../../until';

export { until } from '../../until';

/** Parts of ComfyUI's answers. */
export interface Queue {
  readonly queue_running: readonly unknown[][];
  readonly queue_pending: readonly unknown[][];
}
export type History = Readonly<Record<string, HistoryItem>>;
interface HistoryItem {
  readonly outputs: Readonly<Record<string, { readonly images: readonly Record<string, string>[] }>>;
  readonly status: { readonly status_str: string };
}

/** Text frames of one type, parsed. */
interface Frame {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A WebSocket to a stand-in, and everything it got. */
export class Client {
  readonly raw: string[] = [];
  readonly binary: Buffer[] = [];

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (message, isBinary) => {
      if (isBinary) this.binary.push(message as Buffer);
      else this.raw.push((message as Buffer).toString());
    });
    socket.on('error', () => undefined);
  }

  static async connect(server: ComfyUIStandIn, clientId = 'client'): Promise<Client> {
    const client = new Client(new WebSocket(`${server.url.replace('http', 'ws')}/ws?clientId=${clientId}`));
    await new Promise((resolve, reject) => client.socket.once('open', resolve).once('error', reject));
    return client;
  }

  of(type: string): Frame[] {
    return this.raw.filter((text) => text.startsWith(`{"type": "${type}",`)).map((text) => JSON.parse(text) as Frame);
  }

  /** Whether its last job has ended, by the frame that is the last of each. */
  isIdle(): boolean {
    return this.of('executing').at(-1)?.data['node'] === null;
  }

  /** Resolves with the close code. */
  closed(): Promise<number> {
    return new Promise((resolve) => this.socket.once('close', resolve));
  }
}

const servers: ComfyUIStandIn[] = [];

/** Starts a stand-in that `stopAll` stops. */
export async function start(options: Partial<StandInOptions> = {}): Promise<ComfyUIStandIn> {
  const server = await startComfyUI({ version: '0.33.0', ...options });
  servers.push(server);
  return server;
}

export async function stopAll(): Promise<void> {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
}

/** GETs JSON. */
export async function get<T>(server: ComfyUIStandIn, path: string): Promise<T> {
  return (await (await fetch(server.url + path)).json()) as T;
}

/** POSTs JSON, or a string as it is. */
export function post(server: ComfyUIStandIn, path: string, body: unknown): Promise<Response> {
  return fetch(server.url + path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
}

/** Posts a workflow and resolves with its `prompt_id`. */
export async function submit(server: ComfyUIStandIn, prompt: object, fields: object = { client_id: 'client' }) {
  const answer = await post(server, '/prompt', { prompt, ...fields });
  return ((await answer.json()) as { prompt_id: string }).prompt_id;
}

/** Resolves with a job's history once it has one. */
export async function finished(server: ComfyUIStandIn, id: string): Promise<HistoryItem> {
  let item: HistoryItem | undefined;
  await until(async () => {
    item = (await get<History>(server, `/history/${id}`))[id];
    return item !== undefined;
  });
  return item!;
}
