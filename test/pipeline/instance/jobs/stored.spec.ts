import { firstValueFrom, lastValueFrom } from 'rxjs';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { twoOutputs } from '../../../support/comfyui/workflows';
import { idOn, long, onEach, onOne, short } from '../../../system/outages/scenarios';
import { inWorld } from '../../../system/outages/world';

test.concurrent('[R12] the store is down: jobs go on, watchers see everything, the end too', () => {
  const reports: string[] = [];
  const report = (where: string): void => void reports.push(where);
  return inWorld(
    '0.33.0',
    { pipeline: { store: redisStore({ url: 'redis://127.0.0.1:1', report }), report } },
    async ({ run, pipeline, comfy }) => {
      expect(await pipeline.storeHealthy()).toBe(false);
      const job = await run(twoOutputs());
      const end = await job.end;
      expect(end).toMatchObject({ status: 'completed', progress: 100 });
      expect(job.states.some(({ progress }) => progress > 0 && progress < 100)).toBe(true);
      expect(await pipeline.get(job.promptId)).toEqual(end);
      expect(await lastValueFrom(pipeline.watch(job.promptId))).toEqual(end);
      expect(comfy.executions.size).toBe(1);
      expect(reports.length).toBeGreaterThan(0);
    },
  );
});

test.concurrent(
  '[R11] a job submitted while the store is gone through at the start is no orphan to be taken up',
  async () => {
    const start = onOne({ comfyUI: { timeScale: 0.1 } }, async ({ run }) => {
      const job = await run(short());
      await job.end;
      for (const { epoch, startedAt } of job.states) expect(epoch).toBe(startedAt);
    });
    for (let n = 0; n < 12; n++) await start();
  },
);

test.concurrent(
  '[R12] what submit resolves with is stored by then: all that it takes to find the job again',
  onEach({}, async ({ run, store, comfy }) => {
    comfy.faults.mostSteps = 5;
    const { promptId, end } = await run(long(10));
    const stored = await firstValueFrom(store.get(promptId));
    expect(stored).toMatchObject({ promptId, serverUrl: comfy.url, userId: 'ada' });
    expect(stored!.runId ?? stored!.promptId).toBe(await idOn(comfy, 0));
    comfy.faults.mostSteps = Infinity;
    await end;
  }),
);
