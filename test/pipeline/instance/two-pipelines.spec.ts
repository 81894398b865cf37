import { lastValueFrom } from 'rxjs';
import { createPipeline } from '../../../index';
import { start, stopAll } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { aStore } from '../../support/pipeline/stores';

test('two pipelines of one process on one store: what one leaves the other goes on with, and the last closes it', async () => {
  const { url } = await start();
  const store = aStore();
  const [one, other] = [createPipeline({ servers: [url], store }), createPipeline({ servers: [url], store })];
  const { promptId } = await one.submit({
    type: 'image_generation',
    userId: 'ada',
    workflow: steps({ steps: 20, secondsPerStep: 0.05 }),
  });
  await one.close();
  expect(await lastValueFrom(other.watch(promptId))).toMatchObject({ status: 'completed' });
  expect(await other.storeHealthy()).toBe(true);
  await other.close();
  expect(await lastValueFrom(store.healthy())).toBe(false);
  await stopAll();
});
