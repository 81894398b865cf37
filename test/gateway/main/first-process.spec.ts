import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtScript } from '../../support/programs/built';

/** Makes what follows process 1 of a namespace of its own, as a container does. */
const AS_FIRST = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child'];
/** Some machines allow no such namespace. */
const inContainer = spawnSync('unshare', [...AS_FIRST, 'true']).status === 0 ? test : test.skip;
/** Before Node 22.15 no process can become another: it aborts, and as process 1 breaks where its own signal is ignored. */
const endsWith = (code: number): unknown =>
  'execve' in process ? code : (expect.stringMatching(/^SIG(ABRT|SEGV)$/) as unknown);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'first-process-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** How a script of ours ends as process 1: its code or signal, and all that it wrote. */
async function endOf(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
  const env = { PATH: process.env['PATH'], PORT: '0', COMFYUI_URL: 'http://127.0.0.1:1', ...settings };
  const child = spawn('unshare', [...AS_FIRST, process.execPath, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { how: code ?? signal, output };
}

const service = builtScript('gateway/cli/main.ts');

inContainer('a start that fails says why and exits with 1, also as process 1 of a container', async () => {
  const file = join(directory, 'a-file');
  await writeFile(file, '');
  const { how, output } = await endOf([service], { DATA_DIR: file });
  expect(output).toMatch(/^comfyui-jobstream cannot start: the job store in .* cannot be opened/m);
  expect(how).toEqual(endsWith(1));
  if ('execve' in process) expect(output).not.toContain('stack trace');
});

inContainer('process 1 of a container that has a bug while its file is written is gone, with 1', async () => {
  const busy = builtScript('test/gateway/support/busy-process.ts');
  expect((await endOf([busy, 'bug', join(directory, 'store')])).how).toEqual(endsWith(1));
});

/** Stops the process as soon as it listens to such a signal: the kernel gives process 1 no other. */
const STOPPED_SOON = `
  const { on } = process;
  process.on = function (event, hear) {
    on.call(process, event, hear);
    if (event === 'SIGTERM') process.kill(process.pid, event);
    return process;
  };`;

inContainer('a SIGTERM that comes before the service serves is heard by process 1 of a container', async () => {
  const soon = join(directory, 'soon.js');
  await writeFile(soon, STOPPED_SOON);
  const { how, output } = await endOf(['--require', soon, service], { DATA_DIR: join(directory, 'data') });
  expect(output).not.toContain('listens at');
  expect(how).toEqual(endsWith(143));
});
