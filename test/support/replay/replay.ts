import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { startComfyUI } from '../comfyui/stand-in';
import type { ComfyUIStandIn } from '../comfyui/stand-in';
import type { ComfyUIVersion } from '../comfyui/versions';
import { readRecording } from './recording';
import type { RecordedEvent, RecordedExchange } from './recording';

const LONGEST_GAP_MS = 3600;
const PATIENCE_MS = 4000;
const FLAGS = JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } });

/** Does with a stand-in what a recording's client did with a real server, and records what comes of it. */
export async function replay(version: ComfyUIVersion, scenario: string): Promise<RecordedEvent[]> {
  const recorded = readRecording(version, scenario);
  const server = await startComfyUI({ version });
  try {
    await cacheWhatWasCached(server, recorded);
    return await new Replay(server, scenario, recorded).run();
  } finally {
    await server.stop();
  }
}

class Replay {
  private readonly events: RecordedEvent[] = [];
  private readonly sockets = new Map<string, WebSocket>();
  private readonly ids = new Map<string, string>();

  constructor(
    private readonly server: ComfyUIStandIn,
    private readonly scenario: string,
    private readonly recorded: readonly RecordedEvent[],
  ) {}

  async run(): Promise<RecordedEvent[]> {
    let before = 0;
    for (const [at, event] of this.recorded.entries()) {
      if ('text' in event || 'binary' in event) continue;
      await sleep(Math.min(event.t - before, LONGEST_GAP_MS));
      await this.until(() => this.caughtUpWith(at));
      before = event.t;
      if ('http' in event) this.add({ t: 0, http: await this.request(event.http) });
      else if (event.event === 'open') await this.open(event.ws, event.clientId);
      else await this.close(event.ws, event.code);
    }
    return this.events;
  }

  private async open(ws: string, clientId: string): Promise<void> {
    // The recorded server was killed and came back with nothing in its queue.
    if (this.scenario === 'server-killed-mid-run' && ws === 'b') await this.server.restart();
    const socket = new WebSocket(`${this.server.url.replace('http', 'ws')}/ws?clientId=${clientId}`);
    this.sockets.set(ws, socket);
    socket.on('message', (message: RawData, isBinary) => {
      const bytes = message as Buffer;
      this.add({ t: 0, ws, ...(isBinary ? { binary: bytes.toString('base64') } : { text: bytes.toString() }) });
    });
    socket.on('close', (code) => this.add({ t: 0, ws, event: 'close', code }));
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    this.add({ t: 0, ws, event: 'open', clientId });
    if (this.scenario !== 'previews-legacy') socket.send(FLAGS);
  }

  private async close(ws: string, code: number): Promise<void> {
    const socket = this.sockets.get(ws);
    const closed = new Promise((resolve) => socket?.once('close', resolve));
    if (this.scenario === 'server-killed-mid-run' && code === 1006) await this.server.kill();
    else if (code === 1006) socket?.terminate();
    else socket?.close(code);
    await closed;
  }

  private async request(recorded: RecordedExchange): Promise<RecordedExchange> {
    const { method } = recorded;
    const path = this.ours(recorded.path);
    const body =
      recorded.body === null || recorded.body === undefined ? undefined : this.ours(JSON.stringify(recorded.body));
    try {
      const answer = await fetch(this.server.url + path, { method, ...(body !== undefined && { body }) });
      const response = jsonOrText(await answer.text());
      this.learnId(recorded.response, response);
      return { method, path, status: answer.status, response };
    } catch (error) {
      const { code } = (error as { cause?: { code?: string } }).cause ?? {};
      return { method, path, error: code ?? String(error) };
    }
  }

  /** Old servers give a job an id of their own: another one here than in the recording. */
  private learnId(recorded: unknown, response: unknown): void {
    const theirs = promptId(recorded);
    const ours = promptId(response);
    if (theirs !== undefined && ours !== undefined) this.ids.set(theirs, ours);
  }

  private ours(text: string): string {
    return [...this.ids].reduce((replaced, [theirs, ours]) => replaced.replaceAll(theirs, ours), text);
  }

  /** Whether each socket got the frames that the recording has before that event; how often progress came depends on timing. */
  private caughtUpWith(at: number): boolean {
    const due = landmarks(this.recorded.slice(0, at));
    const got = landmarks(this.events);
    return [...due].every(([ws, count]) => (got.get(ws) ?? 0) >= count);
  }

  private async until(isTrue: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!isTrue() && Date.now() < deadline) await sleep(5);
  }

  private add(event: RecordedEvent): void {
    this.events.push(event);
  }
}

function landmarks(events: readonly RecordedEvent[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const event of events) {
    if (!('text' in event) || event.text.startsWith('{"type": "progress')) continue;
    counts.set(event.ws, (counts.get(event.ws) ?? 0) + 1);
  }
  return counts;
}

/** Runs, before the recording's first job, what gives the nodes that it found cached. */
async function cacheWhatWasCached(server: ComfyUIStandIn, recorded: readonly RecordedEvent[]): Promise<void> {
  const post = recorded.find((event) => 'http' in event && event.http.path === '/prompt');
  const cached = recorded.map(cachedNodes).find((nodes) => nodes !== undefined);
  if (!cached || cached.length === 0 || !post || !('http' in post)) return;
  const { prompt } = post.http.body as { prompt: Record<string, unknown> };
  const isAll = cached.length === Object.keys(prompt).length;
  const nodes = cached.flatMap((id) => [
    [id, prompt[id]],
    [`${id}0`, { class_type: 'PreviewImage', inputs: { images: [id, 0] } }],
  ]);
  const body = JSON.stringify({ prompt: isAll ? prompt : (Object.fromEntries(nodes) as object) });
  const { prompt_id } = (await (await fetch(`${server.url}/prompt`, { method: 'POST', body })).json()) as {
    prompt_id: string;
  };
  while (!(await (await fetch(`${server.url}/history/${prompt_id}`)).text()).includes(prompt_id)) await sleep(20);
}

function cachedNodes(event: RecordedEvent): string[] | undefined {
  const text = 'text' in event ? event.text : 'http' in event ? JSON.stringify(event.http) : '';
  const nodes = /"execution_cached",.*?"nodes": ?(\[.*?\])/.exec(text)?.[1];
  return nodes === undefined ? undefined : (JSON.parse(nodes) as string[]);
}

function promptId(response: unknown): string | undefined {
  return (response as { prompt_id?: string } | undefined)?.prompt_id;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
