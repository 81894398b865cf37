import { Subject, concatMap, defer, firstValueFrom, lastValueFrom, take, tap, toArray } from 'rxjs';
import { createPipeline } from '../../../../index';
import { isSettled, type JobState } from '../../../../streams/job/job-state';
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

test('[R1] who begins to watch before an end is stored is told of it no sooner than the others', async () => {
  const store = aStore();
  const [ends$, released$] = [new Subject<void>(), new Subject<void>()];
  const held = {
    ...store,
    put: (...given: Parameters<typeof store.put>) =>
      isSettled(given[0])
        ? defer(() => (ends$.next(), released$)).pipe(
            take(1),
            concatMap(() => store.put(...given)),
          )
        : store.put(...given),
  };
  const pipeline = createPipeline({ servers: ['http://127.0.0.1:1'], store: held });
  const { promptId } = await pipeline.open({ type: 'lora_training', userId: 'ada', reported: { steps: 9 } });
  const written = firstValueFrom(ends$);
  const reported = pipeline.report(promptId, { count: 1, failure: { message: 'It went wrong.' } });
  await written;
  const told: JobState[] = [];
  const watched = lastValueFrom(pipeline.watch(promptId).pipe(tap((state) => told.push(state))));
  expect(told).toEqual([]);
  released$.next();
  expect(await watched).toMatchObject({ status: 'failed' });
  await reported;
  await pipeline.close();
});
