import { setTimeout as sleep } from 'node:timers/promises';
import { TooManyJobs } from '../../../pipeline/api';
import { start, stopAll } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { hurriedClock } from '../../support/pipeline/hurried-clock';
import { anInstance, closeAll } from '../../support/pipeline/pipelines';
import { aStore } from '../../support/pipeline/stores';

afterEach(async () => {
  await closeAll();
  await stopAll();
});

const once = { key: 'k1', body: 'b1' };
const request = { type: 'lora_training', userId: 'ada', once };

/** A user whose one job has ended, and who was refused another under a key meanwhile; a minute ago. */
async function refusedBefore() {
  const comfy = await start({ faults: { mostSteps: 5 } });
  const clock = hurriedClock(10);
  const its = anInstance({ servers: [comfy.url], store: aStore, userLimits: { jobs: 1 }, clock });
  const first = await its.run(steps({ secondsPerStep: 0.02 }));
  const ends = (): Promise<unknown> => {
    comfy.faults.mostSteps = Infinity;
    return first.end;
  };
  return { ...its, clock, ends, workflow: steps({ steps: 2, secondsPerStep: 0.02 }) as never };
}

/** Once the end of the first is stored, too. */
async function begun<T>(begin: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await begin();
    } catch (error) {
      if (!(error instanceof TooManyJobs)) throw error;
      await sleep(20);
    }
  }
}

test('a job that is submitted again under the key with which it was refused has its time from when it begins', async () => {
  const { pipeline, clock, ends, workflow } = await refusedBefore();
  const again = { ...request, workflow, timeoutMs: 30_000 };
  await expect(pipeline.submit(again)).rejects.toThrow('unsettled jobs');
  await ends();
  const before = clock.now();
  const { deadlineAt, startedAt } = await begun(() => pipeline.submit(again));
  expect(startedAt).toBeLessThan(before);
  expect(deadlineAt).toBeGreaterThanOrEqual(before + 30_000);
});

test('so has one that reports itself, and its silence', async () => {
  const { pipeline, clock, ends } = await refusedBefore();
  const again = { ...request, timeoutMs: 3_600_000, reported: { silentMs: 600_000 } };
  await expect(pipeline.open(again)).rejects.toThrow('unsettled jobs');
  await ends();
  const before = clock.now();
  const { deadlineAt, reported } = await begun(() => pipeline.open(again));
  expect(reported?.heardAt).toBeGreaterThanOrEqual(before);
  expect(deadlineAt).toBeGreaterThanOrEqual(before + 3_600_000);
});
