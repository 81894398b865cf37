import { concat, lastValueFrom, of } from 'rxjs';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { PATIENCE_MS, until } from '../../../support/until';
import { start } from '../../../support/comfyui/client/comfyui-client';
import type { ComfyUIStandIn } from '../../../support/comfyui/stand-in';
import { takenUp, type Instance } from '../../../support/pipeline/pipelines';
import { startRedis, type RedisServer } from '../../../support/redis/redis-server';
import { lasting, progressed } from '../../../support/pipeline/one-redis';
import { expectOnceEach, hold, instancesOnFile, letGo } from './instances';

describe('with ComfyUI', () => {
  const { instance } = instancesOnFile();

  describe('and two instances on one Redis', () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());
    const onRedis = (comfy: ComfyUIStandIn): Instance =>
      instance({
        servers: [comfy.url],
        store: (report) => redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS }),
      });

    test('a job that waits for its next run when its instance closes is run by the other, once', async () => {
      const comfy = await start();
      const [a, b] = [onRedis(comfy), onRedis(comfy)];
      hold(comfy);
      const job = await a.run(lasting(1), { onLost: 'resubmit', maxAttempts: 2 });
      await job.where(progressed);
      await comfy.restart();
      await job.where(({ attempt }) => attempt === 2);
      await a.pipeline.close();
      expect(comfy.executions.size).toBe(1);
      await takenUp(b.pipeline, job.promptId);
      letGo(comfy);
      const end = await b.watch(job.promptId).end;
      expect(end).toMatchObject({ status: 'completed', attempt: 2 });
      expect([...comfy.executions.keys()]).toEqual([job.promptId, end.runId]);
      expectOnceEach(comfy);
    });

    test('a job in its second run when its instance closes goes on under the other, and may be run a third time', async () => {
      const comfy = await start();
      const [a, b] = [onRedis(comfy), onRedis(comfy)];
      hold(comfy);
      const job = await a.run(lasting(1), { onLost: 'resubmit' });
      await job.where(progressed);
      await comfy.restart();
      const second = await job.where(({ attempt, status }) => attempt === 2 && status === 'processing');
      await a.pipeline.close();
      await takenUp(b.pipeline, job.promptId);
      const here = b.watch(job.promptId);
      expect(await here.where(({ status }) => status === 'processing')).toMatchObject({ runId: second.runId });
      await comfy.restart();
      letGo(comfy);
      const end = await here.end;
      expect(end).toMatchObject({ status: 'completed', attempt: 3 });
      expect([...comfy.executions.keys()]).toEqual([job.promptId, second.runId, end.runId]);
      expectOnceEach(comfy);
    });

    test('its workflow is forgotten by nobody, whatever id an old server gave its run', async () => {
      const comfy = await start({ version: '0.3.30' });
      const store = redisStore({ url: redis.url, report: () => 'as wanted', commandTimeoutMs: PATIENCE_MS });
      const { run, pipeline } = onRedis(comfy);
      const workflow = lasting(1);
      hold(comfy);
      const job = await run(workflow, { onLost: 'resubmit' });
      expect([...comfy.executions.keys()]).toEqual([(await pipeline.get(job.promptId))?.runId]);
      await until(async () => (await lastValueFrom(store.workflow(job.promptId)))?.tag === 'whole');
      expect(await lastValueFrom(store.workflow(job.promptId))).toEqual({
        tag: 'whole',
        prompt: { workflow: JSON.stringify(workflow) },
      });
      letGo(comfy);
      await job.end;
      await lastValueFrom(concat(store.close(), of(undefined)));
    });
  });
});
