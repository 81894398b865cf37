import { image } from '../../../support/comfyui/workflows';
import { post, submit } from '../../../support/comfyui/client/comfyui-client';
import { onEach } from '../../../system/outages/scenarios';

test.concurrent(
  'a job behind other clients’ jobs is told when it starts, by what its own kind took before',
  onEach({ comfyUI: { timeScale: 0.1 } }, async ({ comfy, run }) => {
    // Runs so different that no other is expected to be like them. Its own kind takes 15 s: a look at those ahead comes
    // sooner, on a slow machine too, than the first of them is past its time.
    const own = { steps: 20, secondsPerStep: 7.5 };
    for (const options of [{ steps: 100 }, own]) {
      const learnt = await run(image(options));
      await learnt.end;
    }
    comfy.faults.mostSteps = 1;
    const others: string[] = [];
    for (const _ of [1, 2, 3]) others.push(await submit(comfy, image(own), { client_id: 'another' }));
    const job = await run(image());
    // Two whole runs, and what is left of the first.
    const { etaMs, queuePosition } = await job.where((state) => state.etaMs !== undefined);
    expect(queuePosition).toBe(3);
    expect(etaMs).toBeGreaterThan(25_000);
    expect(etaMs).toBeLessThan(120_000);
    for (const promptId of others.slice(1)) comfy.deleteFromQueue(promptId);
    await post(comfy, '/interrupt', {});
    comfy.faults.mostSteps = Infinity;
    expect((await job.end).status).toBe('completed');
  }),
);
