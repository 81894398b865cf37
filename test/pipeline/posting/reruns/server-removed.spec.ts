import { start, stopAll } from '../../../support/comfyui/client/comfyui-client';
import { steps } from '../../../support/comfyui/workflows';
import { hurriedClock } from '../../../support/pipeline/hurried-clock';
import { anInstance, closeAll } from '../../../support/pipeline/pipelines';
import { aStore } from '../../../support/pipeline/stores';

afterEach(async () => {
  await closeAll();
  await stopAll();
});

test('the jobs of a server that was taken out of the settings end after an hour, or run elsewhere if they may', async () => {
  const [removed, kept] = [await start(), await start()];
  const stored = (report: (where: string, error: unknown) => void) => aStore(report, 'removed-server');
  removed.faults.mostSteps = 5;
  const before = anInstance({ servers: [removed.url], store: stored });
  const workflow = steps({ steps: 10, secondsPerStep: 0.02 });
  const ends = await before.run(workflow);
  const moves = await before.run(steps({ steps: 10, secondsPerStep: 0.02 }), { onLost: 'resubmit' });
  await ends.where(({ progress }) => progress > 5);
  await moves.where(({ queuePosition }) => queuePosition === 1);
  await before.pipeline.close();
  const after = anInstance({ servers: [kept.url], store: stored, clock: hurriedClock(1_000) });
  expect((await after.watch(ends.promptId).end).failure).toMatchObject({ kind: 'unreachable', retryable: true });
  expect(await after.watch(moves.promptId).end).toMatchObject({ status: 'completed', attempt: 2, serverUrl: kept.url });
  expect(kept.executedWorkflows).toHaveLength(1);
});
