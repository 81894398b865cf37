import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pipeline } from '../../../../pipeline/api';
import { createPipeline } from '../../../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../../../sinks/embedded/embedded-store';
import type { JobState } from '../../../../streams/job/job-state';
import { startComfyUI } from '../../../support/comfyui/stand-in';
import { steps } from '../../../support/comfyui/workflows';
import { until } from '../../../support/until';

test('[R2] a training goes on where its bar was, through two restarts, and has its end told after each', async () => {
  const comfy = await startComfyUI({ version: '0.33.0' });
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-training-'));
  const states: JobState[] = [];
  const start = (): Pipeline => {
    const pipeline = createPipeline({
      servers: [comfy.url],
      store: embeddedStore({ directory, report: () => undefined }),
    });
    pipeline.states$.subscribe((state) => states.push(state));
    return pipeline;
  };
  const newest = (): JobState | undefined => states.at(-1);
  let pipeline = start();
  const { promptId } = await pipeline.submit({
    type: 'lora_training',
    userId: 'ada',
    workflow: JSON.stringify(steps({ steps: 60, secondsPerStep: 0.1 })),
  });
  const told: number[] = [];
  for (const step of [15, 35]) {
    // It goes no further until it has its next pipeline, however long that takes.
    comfy.faults.mostSteps = step;
    await until(() => (newest()?.node?.value ?? 0) >= step);
    await pipeline.close();
    const { progress = 0 } = newest() ?? {};
    const before = states.length;
    pipeline = start();
    expect((await pipeline.get(promptId))?.progress).toBeGreaterThanOrEqual(progress);
    comfy.faults.mostSteps = step + 10;
    await until(() => states.slice(before).some(({ etaMs }) => etaMs !== undefined));
    told.push(...states.slice(before).map(({ etaMs = 0 }) => etaMs));
  }
  comfy.faults.mostSteps = Infinity;
  await until(() => newest()?.status === 'completed');
  await pipeline.close();
  await comfy.stop();
  await rm(directory, { recursive: true });
  states.forEach(({ progress }, n) => expect(progress).toBeGreaterThanOrEqual(states[n - 1]?.progress ?? 0));
  expect(Math.max(...told)).toBeGreaterThan(0);
  expect([...comfy.executions.values()]).toEqual([1]);
});
