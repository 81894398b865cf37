import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startComfyUI } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { builtScript } from '../../support/programs/built';
import { startService } from '../../support/programs/service';
import { startRedis } from '../../support/redis/redis-server';
import { eventually } from '../../support/until';
import { asking } from '../support/http/asking';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leaving-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Gone, by itself or from outside, before this; else it would be there for ever. */
const PATIENCE_MS = 60_000;

/** How a process ended that left in this way while its store was being written, or `hangs`. */
async function ending(way: string): Promise<string> {
  const args = [builtScript('test/gateway/support/busy-process.ts'), way, join(directory, 'store')];
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

test.each(['bug', 'rejection', 'second signal', 'patience that ran out', 'anything else'])(
  'a process that leaves while its file is written is gone, and did not succeed: %s',
  async (way) => {
    expect(['1', 'SIGKILL']).toContain(await ending(way));
  },
);

describe.each(['up', 'stalled', 'gone'] as const)('with a Redis that is %s', (store) => {
  test.each([
    ['SIGTERM', 1],
    ['SIGTERM and SIGINT', 2],
  ])('a service that has jobs under way is gone after %s', async (_how, signals) => {
    const [redis, comfy] = await Promise.all([startRedis(), startComfyUI({ version: '0.33.0' })]);
    const service = await startService({ COMFYUI_URL: comfy.url, REDIS_URL: redis.url });
    try {
      const body = { type: 't', userId: 'ada', workflow: steps({ steps: 1_000 }) };
      expect((await asking(service)('POST', '/jobs', { body })).status).toBe(202);
      if (store === 'stalled') redis.pause();
      if (store === 'gone') await redis.kill();
      const ended = service.terminate();
      if (signals === 2) {
        await eventually(() => expect(service.output()).toContain('draining'));
        service.interrupt();
      }
      const { code } = await ended;
      // It may have drained before the second came; one that had to be ended from outside has no code.
      expect(signals === 1 ? [0] : [0, 1, null]).toContain(code);
    } finally {
      redis.resume();
      await service.kill();
      await Promise.all([redis.stop(), comfy.stop()]);
    }
  });
});
