import { image } from '../../../support/comfyui/workflows';
import { post } from '../../../support/comfyui/client/comfyui-client';
import { onEach } from '../../../system/outages/scenarios';

test.concurrent(
  'a job behind other clients’ jobs is told when it starts, by what its own kind took before',
  onEach({ comfyUI: { timeScale: 0.1 } }, async ({ comfy, run }) => {
    // Runs so different that no other is expected to be like them.
    for (const steps of [20, 100, 20, 100]) {
      const learnt = await run(image({ steps }));
      await learnt.end;
    }
    comfy.faults.mostSteps = 1;
    for (const _ of [1, 2, 3]) await post(comfy, '/prompt', { prompt: image(), client_id: 'another' });
    const job = await run(image());
    // Two whole runs of twenty steps of 10 ms each, and what is left of the first.
    const { etaMs, queuePosition } = await job.where((state) => state.etaMs !== undefined);
    expect(queuePosition).toBe(3);
    expect(etaMs).toBeGreaterThan(400);
    expect(etaMs).toBeLessThan(20_000);
    comfy.faults.mostSteps = Infinity;
    expect((await job.end).status).toBe('completed');
  }),
);
