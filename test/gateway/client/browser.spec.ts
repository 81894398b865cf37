import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { startChromium } from '../../support/programs/chromium';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { freePort } from '../../support/network/ports';
import { startService, type Service } from '../../support/programs/service';
import { asking } from '../support/http/asking';
import { eventually, PATIENCE_MS } from '../../support/until';

const root = join(__dirname, '../../..');

let folder: string;
let pages: Server;
let origin: string;
let comfy: ComfyUIStandIn;
let service: Service;
let browser: Browser;
let page: Page;
let troubles: string[];

const start = (port: number | string) =>
  startService({ COMFYUI_URL: comfy.url, DATA_DIR: join(folder, 'data'), PORT: `${port}`, ORIGINS: origin });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jobstream-client-'));
  // As it ships: built, measured, and without a bundler on the user's side.
  execFileSync(process.execPath, ['scripts/build-client.mjs', join(folder, 'client')], { cwd: root });
  pages = await servePages();
  origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  comfy = await startComfyUI({ version: '0.33.0' });
  [service, browser] = await Promise.all([start(await freePort()), startChromium()]);
});
afterAll(async () => {
  await browser.close();
  await service.kill();
  await comfy.stop();
  pages.close();
  pages.closeAllConnections();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  troubles = [];
  page.on('pageerror', ({ message }) => troubles.push(message));
  await page.goto(origin);
});
afterEach(() => page.close());

/** A page that has modules under their names, and those modules. */
async function servePages(): Promise<Server> {
  const places = {
    '/rxjs/': join(root, 'node_modules/rxjs/dist/esm/'),
    '/tslib/': join(root, 'node_modules/tslib/'),
    '/socket.io-client/': join(root, 'node_modules/socket.io-client/dist/'),
    '/client/': join(folder, 'client/'),
  };
  const imports = {
    rxjs: '/rxjs/index.js',
    tslib: '/tslib/tslib.es6.mjs',
    'socket.io-client': '/socket.io-client/socket.io.esm.min.js',
    'comfyui-jobstream/client': '/client/index.mjs',
  };
  const html = `<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script>`;
  const fileOf = (path: string): string | undefined => {
    const [prefix, place] = Object.entries(places).find(([start]) => path.startsWith(start)) ?? [];
    const file = place === undefined ? undefined : place + normalize(path.slice(prefix!.length));
    // RxJS's modules name each other without the `.js`.
    return file === undefined || existsSync(file) ? file : `${file}.js`;
  };
  const server = createServer((request, response) => {
    const file = fileOf(request.url ?? '/');
    if (file === undefined) return void response.setHeader('Content-Type', 'text/html').end(html);
    readFile(file).then(
      (bytes) => response.setHeader('Content-Type', 'text/javascript').end(bytes),
      () => response.writeHead(404).end(),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

interface Seen {
  readonly states: readonly {
    readonly status: string;
    readonly progress: number;
    readonly seq: number;
    /** Where the node that counts is. */
    readonly step?: number;
  }[];
  readonly previews: readonly string[];
  readonly mine: readonly string[];
  readonly statuses: readonly string[];
  readonly ended?: string;
}

/** Watches a job in the page, as an application would. */
const watch = (promptId: string, module = 'comfyui-jobstream/client') =>
  page.evaluate(`(async () => {
    const { jobstream } = await import(${JSON.stringify(module)});
    const client = jobstream({ url: ${JSON.stringify(service.url)} });
    const seen = (globalThis.seen = { states: [], previews: [], mine: [], statuses: [] });
    client.status$.subscribe((status) => seen.statuses.push(status));
    client.watchJob(${JSON.stringify(promptId)}).subscribe({
      next: ({ status, progress, seq, node }) => seen.states.push({ status, progress, seq, step: node?.value }),
      error: ({ name, code }) => (seen.ended = name + ' ' + code),
      complete: () => (seen.ended = 'complete'),
    });
    client.previews(${JSON.stringify(promptId)}).subscribe({
      next: ({ image, mimeType }) => seen.previews.push(mimeType + ' ' + image.constructor.name),
      error: () => undefined,
    });
    client.watchMine().subscribe(({ promptId, status }) => seen.mine.push(promptId + ' ' + status));
  })()`);
const seen = () => page.evaluate<Seen>('globalThis.seen');
async function until(fits: (now: Seen) => boolean): Promise<Seen> {
  let now: Seen | undefined;
  await eventually(async () => {
    now = await seen();
    expect(fits(now)).toBe(true);
  });
  return now!;
}

test('in Chromium: a job is watched through kill -9 and a restart to its end, and never goes backward', async () => {
  const workflow = steps({ steps: 400, secondsPerStep: 0.02, previewEvery: 5 });
  const body = { workflow, type: 'image_generation', userId: 'ada' };
  comfy.faults.mostSteps = 10;
  const { json } = await asking(service)('POST', '/jobs', { body });
  const promptId = String(json['promptId']);
  await watch(promptId);
  await until(({ states }) => Number(states.at(-1)?.step) > 5);
  await service.kill();
  await until(({ statuses }) => statuses.at(-1) === 'reconnecting');
  await eventually(() => expect(comfy.sockets()).toBe(0));
  service = await start(new URL(service.url).port);
  // Its own, and the one under which the job was posted.
  await eventually(() => expect(comfy.sockets()).toBe(2));
  // Step by step: the page has yet to join the room again.
  await until(({ states, previews }) => {
    comfy.faults.mostSteps += 1;
    return Number(states.at(-1)?.step) > 10 && previews.length > 0;
  });
  comfy.faults.mostSteps = Infinity;
  const { states, previews, mine, statuses, ended } = await until((now) => now.ended !== undefined);
  expect(ended).toBe('complete');
  const progress = states.map((state) => state.progress);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  expect(states.at(-1)).toMatchObject({ status: 'completed', progress: 100 });
  expect(new Set(previews)).toEqual(new Set(['image/jpeg Uint8Array']));
  expect(mine.at(-1)).toBe(`${promptId} completed`);
  expect(statuses.slice(0, 4)).toEqual(['idle', 'connecting', 'connected', 'reconnecting']);
  expect(statuses.at(-1)).toBe('connected');
  expect(troubles).toEqual([]);
});

test('in Chromium: the file that holds all it needs does the same, by its own URL', async () => {
  const { json } = await asking(service)('POST', '/jobs', {
    body: { workflow: steps({ previewEvery: 2 }), type: 'image_generation', userId: 'ada' },
  });
  await watch(String(json['promptId']), `${origin}/client/bundled.mjs`);
  expect((await until(({ ended }) => ended !== undefined)).ended).toBe('complete');
  expect((await seen()).states.at(-1)).toMatchObject({ status: 'completed' });
  expect(troubles).toEqual([]);
});

/** What the page learns of a connection that does not come about. */
const reasonFor = (url: string) =>
  page.evaluate<string>(`(async () => {
    const { jobstream } = await import('comfyui-jobstream/client');
    const client = jobstream({ url: ${JSON.stringify(url)} });
    client.watchMine().subscribe();
    const reason = await new Promise((resolve) =>
      client.connection$.subscribe(({ status, reason }) => reason && resolve(status + ' ' + reason.code + ': ' + reason.message)),
    );
    client.close();
    return reason;
  })()`);

test('in Chromium: why there is no connection is told, while it is tried again', async () => {
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  expect(await reasonFor(nowhere)).toBe(`connecting unreachable: Nothing answers at ${nowhere}.`);
  expect(await reasonFor(`${service.url}/elsewhere`)).toMatch(/^connecting no-gateway: /);
  await page.goto(origin.replace('127.0.0.1', 'localhost'));
  expect(await reasonFor(service.url)).toBe(
    `connecting origin-refused: The gateway at ${service.url} does not take calls of this page: its ORIGINS must name the page’s.`,
  );
});

test('in Chromium: a job that is not there is an error by name', async () => {
  await watch('no-such-job');
  expect((await until((now) => now.ended !== undefined)).ended).toBe('JobstreamError unknown-job');
});
