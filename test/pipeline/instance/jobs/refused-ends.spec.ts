import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { createPipeline } from '../../../../index';
import type { JobState } from '../../../../streams/job/job-state';
import { aStore } from '../../../support/pipeline/stores';

test('[R1] an end that the store refuses, as another instance has the job, is told to nobody', async () => {
  const store = aStore();
  const pipeline = createPipeline({ servers: ['http://127.0.0.1:1'], store });
  const { promptId } = await pipeline.open({ type: 'lora_training', userId: 'ada', reported: { steps: 9 } });
  const told = lastValueFrom(pipeline.watch(promptId).pipe(toArray()));
  const opened = await firstValueFrom(pipeline.watch(promptId));
  const put = (state: JobState): Promise<unknown> => firstValueFrom(store.put(state));
  const successors: JobState = { ...opened, epoch: opened.epoch + 1, seq: 1, progress: 10 };
  await put(successors);
  const failure = { message: 'It was suspended for so long that it gave up.' };
  await pipeline.report(promptId, { count: 1, failure });
  await put({ ...successors, seq: 2, status: 'completed', progress: 100, phase: 'settled', outputs: [] });
  const settled = (await told).filter(({ status }) => status !== 'queued' && status !== 'processing');
  expect(settled).toMatchObject([{ epoch: successors.epoch, status: 'completed' }]);
  await pipeline.close();
});
