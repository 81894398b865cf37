import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { steps } from '../support/comfyui/workflows';
import { start, stopAll } from '../support/comfyui/client/comfyui-client';
import { builtScript } from '../support/programs/built';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compat-killed-'));
});
afterAll(async () => {
  await stopAll();
  await rm(folder, { recursive: true });
});

test('a process that is killed in the middle of a job leaves no folder behind', async () => {
  const comfyui = await start();
  comfyui.faults.mostSteps = 1;
  const env = { ...process.env, TMPDIR: folder };
  const args = [builtScript('test/compat/killed-process.ts'), comfyui.url, JSON.stringify(steps())];
  await expect(promisify(execFile)(process.execPath, args, { env })).rejects.toMatchObject({ signal: 'SIGKILL' });
  expect(comfyui.executions.size).toBe(1);
  expect((await readdir(folder)).filter((name) => name.startsWith('comfyui-jobstream'))).toEqual([]);
});
