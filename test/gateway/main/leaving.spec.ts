import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtScript } from '../../support/programs/built';

jest.setTimeout(240_000);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leaving-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Gone, by itself or from outside, before this; else it would be there for ever. */
const PATIENCE_MS = 60_000;

/** How a process ended that left in this way while its store was being written, or `hangs`. */
async function ending(way: string, n: number): Promise<string> {
  const args = [builtScript('test/gateway/support/busy-process.ts'), way, join(directory, String(n))];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const gone = once(child, 'exit');
  await once(child.stdout, 'data');
  let impatience: NodeJS.Timeout | undefined;
  const waited = new Promise<'hangs'>((resolve) => {
    impatience = setTimeout(() => resolve('hangs'), PATIENCE_MS);
  });
  const how = await Promise.race([gone, waited]);
  clearTimeout(impatience);
  if (how === 'hangs') child.kill('SIGKILL');
  return how === 'hangs' ? how : String(how[0] ?? how[1]);
}

test.each(['bug', 'rejection', 'second signal', 'anything else'])(
  'a process that leaves while its file is written is gone, and did not succeed: %s',
  async (way) => {
    for (const how of await Promise.all([0, 1].map((n) => ending(way, n)))) expect(['1', 'SIGKILL']).toContain(how);
  },
);
