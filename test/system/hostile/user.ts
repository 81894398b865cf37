import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startHostileComfyUI } from './comfyui';

/** What the bench tells its hostile user. */
export interface Orders {
  readonly instances: readonly string[];
  readonly token: string;
  /** Another user's live job. */
  readonly victim: string;
  readonly ms: number;
}

/** What a hostile user got for it: answers by attack and status. */
export type Tally = Readonly<Record<string, Readonly<Record<string, number>>>>;

type Node = Record<string, unknown>;
const node = (class_type: string, inputs: Record<string, unknown>, title?: string): Node => ({
  class_type,
  inputs,
  ...(title !== undefined && { _meta: { title } }),
});

/** Steps that run for a second, of a workflow that is well but for `more`. */
const runs = (more: Record<string, Node>): Record<string, Node> => ({
  '1': node('EmptyImage', { width: 64, height: 64, batch_size: 1, color: Math.floor(Math.random() * 1e6) }),
  '2': node('StepsWithProgress', {
    image: ['1', 0],
    steps: 20,
    seconds_per_step: 0.05,
    preview_every: 0,
    seed: Math.floor(Math.random() * 1e9),
  }),
  '3': node('SaveImage', { images: ['2', 0], filename_prefix: 'hostile' }),
  ...more,
});

const links = (count: number): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`i${n}`, [`${n + 10}`, 0]]));

/** Workflows by attack: as JSON text, since some cannot be said otherwise. */
const workflows: Readonly<Record<string, () => string>> = {
  'a node of 130,000 links': () => JSON.stringify(runs({ '9': node('PreviewImage', links(130_000)) })),
  'links within every bound': () => JSON.stringify(runs({ '9': node('PreviewImage', links(900)) })),
  'nodes that feed each other': () =>
    JSON.stringify(
      runs({ '8': node('PreviewImage', { images: ['9', 0] }), '9': node('PreviewImage', { images: ['8', 0] }) }),
    ),
  'titles of 8 MiB': () =>
    JSON.stringify(runs({ '3': node('SaveImage', { images: ['2', 0], filename_prefix: 'h' }, 't'.repeat(8 << 20)) })),
  'class names of 200 KB': () => JSON.stringify(runs({ '9': node('c'.repeat(200_000), {}) })),
  '120,000 nodes': () =>
    JSON.stringify(
      runs(
        Object.fromEntries(
          Array.from({ length: 120_000 }, (_, n) => [`n${n}`, node('PreviewImage', { images: ['2', 0] })]),
        ),
      ),
    ),
  '9,000 nodes': () =>
    JSON.stringify(
      runs(
        Object.fromEntries(
          Array.from({ length: 9_000 }, (_, n) => [
            `n${n}`,
            node('ImageInvert', { image: [n === 0 ? '2' : `n${n - 1}`, 0] }),
          ]),
        ),
      ),
    ),
  'a million errors': () => JSON.stringify(Object.fromEntries(Array.from({ length: 500_000 }, (_, n) => [n, 0]))),
  'ten million brackets': () => `{"1":{"class_type":"A","inputs":{"x":${'['.repeat(5 << 20)}${']'.repeat(5 << 20)}}}}`,
  'a node called __proto__': () =>
    '{"__proto__":{"class_type":"EmptyImage","inputs":{}},"constructor":{"class_type":"PreviewImage","inputs":{"images":["__proto__",0]}}}',
};

async function attack({ instances, token, victim, ms }: Orders): Promise<Tally> {
  const until = Date.now() + ms;
  const tally: Record<string, Record<string, number>> = {};
  const note = (what: string, outcome: string | number): void => {
    const outcomes = (tally[what] ??= {});
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const at = (n: number): string => instances[n % instances.length]!;

  /** Accepts and never answers. */
  const silent = createServer((socket: Socket) => void socket.on('error', () => undefined));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;

  async function post(n: number, what: string, body: string): Promise<string | undefined> {
    try {
      const answer = await fetch(`${at(n)}/jobs`, {
        method: 'POST',
        headers,
        body,
        signal: AbortSignal.timeout(20_000),
      });
      const text = await answer.text();
      note(what, answer.status);
      return answer.status === 202 ? (JSON.parse(text) as { promptId: string }).promptId : undefined;
    } catch (error) {
      note(what, (error as Error).name);
      return undefined;
    }
  }

  async function workflowsAgainAndAgain(): Promise<void> {
    const made = Object.entries(workflows).map(([what, make]) => [what, make()] as const);
    for (let n = 0; Date.now() < until; n++) {
      const [what, workflow] = made[n % made.length]!;
      await post(n, what, `{"type":"image_generation","userId":"mallory","workflow":${workflow}}`);
      await sleep(20);
    }
  }

  async function hooks(): Promise<void> {
    for (let n = 0; Date.now() < until; n++) {
      const webhook = { url: `http://127.0.0.1:${port}/never/${n}` };
      await post(
        n,
        'webhooks that are never answered',
        JSON.stringify({ type: 'image_generation', userId: 'mallory', workflow: runs({}), webhook }),
      );
      await sleep(150);
    }
  }

  async function toHostileServer(): Promise<void> {
    for (let n = 0; Date.now() < until; n++) {
      await post(
        n,
        'jobs for a hostile server',
        JSON.stringify({ type: 'hostile', userId: 'mallory', workflow: runs({}) }),
      );
      await sleep(500);
    }
  }

  /** Asks for an output and reads none of it. */
  async function stalledReaders(): Promise<void> {
    const promptId = await post(
      0,
      'an output to be stalled',
      JSON.stringify({ type: 'image_generation', userId: 'mallory', workflow: runs({}) }),
    );
    await sleep(5_000);
    for (let n = 0; Date.now() < until; n++) {
      const { hostname, port: to } = new URL(at(n));
      const asked = request({
        hostname,
        port: to,
        path: `/jobs/${promptId ?? victim}/outputs/0`,
        headers: { authorization: headers.authorization },
      });
      asked.on('response', (response) => {
        note('readers that stall', response.statusCode ?? 0);
        response.pause();
      });
      asked.on('error', () => note('readers that stall', 'cut'));
      asked.end();
      await sleep(100);
    }
  }

  async function othersJobs(): Promise<void> {
    for (let n = 0; Date.now() < until; n++) {
      const [method, path] = [
        ['GET', ''],
        ['POST', '/cancel'],
        ['GET', '/outputs/0'],
        ['GET', '/nodes'],
        ['PUT', ''],
      ][n % 5]!;
      const body = method === 'PUT' ? { body: JSON.stringify({ type: 'x', userId: 'mallory' }) } : {};
      const answer = await fetch(`${at(n)}/jobs/${victim}${path}`, { method: method!, headers, ...body }).catch(
        () => undefined,
      );
      note('another’s job', answer?.status ?? 'no answer');
      await answer?.body?.cancel();
      await sleep(50);
    }
  }

  await Promise.all([
    workflowsAgainAndAgain(),
    workflowsAgainAndAgain(),
    hooks(),
    toHostileServer(),
    stalledReaders(),
    othersJobs(),
  ]);
  silent.close();
  return tally;
}

async function main(): Promise<void> {
  let victim = '';
  const comfy = await startHostileComfyUI(() => victim);
  process.send?.({ hostileServer: comfy.url });
  const [orders] = (await once(process, 'message')) as [Orders];
  ({ victim } = orders);
  const tally = await attack(orders);
  process.send?.({ tally });
  await once(process, 'message');
  await comfy.close();
  process.exit(0);
}

void main();
