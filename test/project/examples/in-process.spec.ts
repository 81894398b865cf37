import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { nodeError, steps } from '../../support/comfyui/workflows';
import { start, stopAll } from '../../support/comfyui/client/comfyui-client';
import { builtScript } from '../../support/programs/built';

const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'example-'));
});
afterAll(async () => {
  await stopAll();
  await rm(folder, { recursive: true });
});

/** Runs the example on a workflow, as one would in a terminal; it is compiled before, which takes longer than it runs. */
async function terminal(workflow: object) {
  const [comfyui, file] = [await start(), join(folder, 'workflow_api.json')];
  await writeFile(file, JSON.stringify(workflow));
  const env = { ...process.env, COMFYUI_URL: comfyui.url, DATA_DIR: join(folder, 'data') };
  return run(process.execPath, [builtScript('examples/in-process/run-workflow.ts'), file], { env });
}

test('a workflow file is run, and tells how it goes and what it made', async () => {
  const { stdout } = await terminal(steps());
  const lines = stdout.trim().split('\n');
  const shares = lines.map((line) => Number(/^ *([\d.]+) %/.exec(line)?.[1])).filter((share) => !Number.isNaN(share));
  expect(shares.length).toBeGreaterThan(2);
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  expect(lines.at(-2)).toMatch(/^100\.0 % {2}completed/);
  expect(lines.at(-1)).toMatch(/^steps_\d+_\.png$/);
});

test('one that fails says why, and ends with 1', async () => {
  await expect(terminal(nodeError())).rejects.toMatchObject({
    code: 1,
    stderr: 'Intentional sync execution error for testing\n',
  });
});
