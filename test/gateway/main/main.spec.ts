import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { builtScript } from '../../support/programs/built';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { image } from '../../support/comfyui/workflows';
import { asking } from '../support/http/asking';
import { connected, heard, join as joinJob } from '../support/sockets/client';
import { eventually } from '../../support/until';

let comfy: ComfyUIStandIn;
let directory: string;
beforeAll(async () => {
  comfy = await startComfyUI({ version: '0.33.0' });
  directory = await mkdtemp(join(tmpdir(), 'main-'));
});
afterAll(async () => {
  await comfy.stop();
  await rm(directory, { recursive: true });
});

interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  out: string;
  err: string;
  readonly exit: Promise<unknown[]>;
}

function start(environment: Record<string, string>): Running {
  const env = { PATH: process.env['PATH'], DATA_DIR: directory, ...environment };
  const child = spawn(process.execPath, [builtScript('gateway/cli/main.ts')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const running = { child, out: '', err: '', exit: once(child, 'exit') };
  child.stdout.on('data', (text: Buffer) => (running.out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (running.err += text.toString()));
  return running;
}

async function listening(environment: Record<string, string> = {}): Promise<Running & { url: string }> {
  const running = start({ COMFYUI_URL: comfy.url, PORT: '0', ...environment });
  await eventually(() => expect(running.out).toMatch(/listens at http:\S+\n/));
  return Object.assign(running, { url: /http:\S+/.exec(running.out)![0] });
}

test('bad settings stop the start, all named at once, no value told', async () => {
  const running = start({ PORT: 'x', JWT_SECRET: 'hunter2', REDIS_URL: 'http://:hunter2@x' });
  expect((await running.exit)[0]).toBe(1);
  for (const name of ['COMFYUI_URL', 'PORT', 'JWT_SECRET', 'REDIS_URL']) expect(running.err).toContain(name);
  expect(running.err).not.toMatch(/hunter2|\n\s+at /);
});

test('a port that is taken stops the start, in one line', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const running = start({
    COMFYUI_URL: comfy.url,
    PORT: String((taken.address() as AddressInfo).port),
    LOG_LEVEL: 'silent',
  });
  expect((await running.exit)[0]).toBe(1);
  expect(running.err).toMatch(/^comfyui-jobstream cannot start: .*EADDRINUSE.*\n$/);
  taken.close();
});

test('a line of the log about a server has its URL', async () => {
  const running = await listening({ COMFYUI_URL: `${comfy.url},http://ada:hunter2@127.0.0.1:1` });
  await eventually(() => expect(running.err).toContain('"serverUrl":"http://127.0.0.1:1","msg":"connect ECONNREFUSED'));
  expect(running.err).not.toContain('hunter2');
  running.child.kill();
  await running.exit;
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s drains: sockets close, the state is kept, exit 0', async (signal) => {
  const running = await listening();
  const body = { workflow: image({ steps: 3_000 }), type: 'image_generation', userId: 'ada' };
  const { json } = await asking(running)('POST', '/jobs', { body });
  const promptId = String(json['promptId']);
  const socket = await connected(running);
  expect(await joinJob(socket, promptId)).toMatchObject({ ok: true });
  const closed = heard(socket, 'disconnect');
  running.child.kill(signal);
  await closed;
  // What is not drained after ten seconds ends with another code.
  expect((await running.exit)[0]).toBe(0);

  const again = await listening();
  expect(await asking(again)('GET', `/jobs/${promptId}`)).toMatchObject({ status: 200, json: { promptId } });
  await asking(again)('POST', `/jobs/${promptId}/cancel`);
  again.child.kill(signal);
  expect((await again.exit)[0]).toBe(0);
  expect(
    again.err
      .split('\n')
      .filter(Boolean)
      .every((line) => JSON.parse(line) !== null),
  ).toBe(true);
});

test('a second signal exits at once', async () => {
  const running = await listening();
  // A sender that keeps a request open for as long as the grace lasts, and is told to go on once it is there.
  const headers = { 'Content-Type': 'application/json', 'Content-Length': 100, Expect: '100-continue' };
  const held = request(`${running.url}/jobs`, { method: 'POST', headers }).on('error', () => 'as wanted');
  held.flushHeaders();
  await once(held, 'continue');
  running.child.kill('SIGTERM');
  await eventually(() => expect(running.err).toContain('draining'));
  running.child.kill('SIGTERM');
  const [code, signal] = await running.exit;
  // One that takes over half a second to exit is killed.
  expect([1, 'SIGKILL']).toContain(code ?? signal);
  expect(running.err).not.toContain('drained');
  held.destroy();
});

test('a setting that is misspelt is warned of, and named where the right one is missing', async () => {
  const running = await listening({ JWT_SERCET: 'hunter2' });
  expect(running.err).toContain('JWT_SERCET is no setting; did you mean JWT_SECRET?');
  running.child.kill();
  await running.exit;
  const without = start({ COMFY_URL: comfy.url });
  expect((await without.exit)[0]).toBe(1);
  expect(without.err).toMatch(/COMFY_URL +is no setting; did you mean COMFYUI_URL\?/);
  expect(running.err).not.toContain('hunter2');
});
