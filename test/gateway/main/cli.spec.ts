import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import * as E from 'fp-ts/Either';
import { commandOf } from '../../../gateway/cli/arguments';
import { makeToken } from '../../../gateway/cli/token';
import { tokenAuth } from '../../../gateway/admission/auth/auth';
import { builtScript } from '../../support/programs/built';
import { canary } from '../../support/jest/canary';

const JWT_SECRET = canary('jwt-secret');
const secret = new TextEncoder().encode(JWT_SECRET);

async function run(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [builtScript('gateway/cli/main.ts'), ...args], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, out, err };
}

test('--help and --version answer, without any setting', async () => {
  const help = await run(['--help']);
  expect([help.code, help.err]).toEqual([0, '']);
  for (const word of ['token --user', '--service', '--hours', 'COMFYUI_URL']) expect(help.out).toContain(word);
  expect(await run(['--version'])).toEqual({ code: 0, out: '0.1.0\n', err: '' });
});

test('an older Node is told which is needed, before a library breaks under it', async () => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
  const asOld = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.18.3' } })";
  const { code, err } = await run([], { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(asOld)}` });
  const needed = engines.node.replace('>=', '');
  expect([code, err]).toEqual([1, `comfyui-jobstream needs Node ${needed} or newer; this is 20.18.3\n`]);
});

test('token prints a token and nothing else, which the gateway takes; COMFYUI_URL is not needed', async () => {
  const { code, out, err } = await run(['token', '--user', 'ada', '--hours', '2'], { JWT_SECRET, JWT_ISSUER: 'app' });
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^\S+\n$/);
  const viewer = await tokenAuth({ secret, issuer: 'app' }).viewerOf(out.trim());
  expect(viewer).toMatchObject({ userId: 'ada', role: 'user' });
  expect(Math.abs(viewer!.expiresAt! - Date.now() - 2 * 3_600_000)).toBeLessThan(60_000);
});

test('without a secret there is no token, and it says what is missing', async () => {
  const { code, out, err } = await run(['token', '--user', 'ada']);
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain('JWT_SECRET');
});

test.each([
  [['serve'], 'there is no command "serve"'],
  [['token', 'ada'], 'there is no command "ada"'],
  [['token'], 'token needs --user NAME, or --service'],
  [['token', '--user', ''], '--user must be a name'],
  [['token', '--user', 'ada', '--hours', 'x'], '--hours must be a number'],
  [['token', '--user', 'ada', '--hours', '0'], '--hours must be more than 0'],
  [['--user', 'ada'], '--user belongs to the command token'],
  [['--port', '1'], "Unknown option '--port'"],
])('%j is refused by name', (args, reason) => {
  expect(commandOf(args)).toEqual({ tag: 'wrong', reason });
});

test('what is asked for', () => {
  expect(commandOf([])).toEqual({ tag: 'serve' });
  expect(commandOf(['token', '--help'])).toEqual({ tag: 'help' });
  expect(commandOf(['token', '--service'])).toEqual({ tag: 'token', service: true, hours: 8 });
  expect(commandOf(['token', '--user=ada', '--service', '--hours=0.5'])).toEqual({
    tag: 'token',
    service: true,
    hours: 0.5,
    user: 'ada',
  });
});

test('no token is made that the gateway would refuse', async () => {
  const asked = { tag: 'token', service: false } as const;
  const made = async (user: string, hours: number) => makeToken({ ...asked, user, hours }, { JWT_SECRET }, Date.now());
  expect(E.isRight(await made('ada', 720))).toBe(true);
  expect(await made('ada', 721)).toMatchObject({
    left: [{ field: 'token', message: expect.stringContaining('720') as string }],
  });
  expect(E.isLeft(await made('a'.repeat(201), 1))).toBe(true);
});
