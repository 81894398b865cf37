import { setImmediate as turn } from 'node:timers/promises';
import { createPipeline, InvalidRequest, type OpenRequest, type Pipeline, type SubmitRequest } from '../../../index';
import { start, stopAll } from '../../support/comfyui/client/comfyui-client';
import { image } from '../../support/comfyui/workflows';
import { aStore } from '../../support/pipeline/stores';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

let pipeline: Pipeline;
beforeEach(async () => {
  const { url } = await start();
  pipeline = createPipeline({ servers: [url], store: aStore() });
});
afterEach(async () => {
  await pipeline.close();
  await stopAll();
});

test('[R18] a request is taken as it was when it was given: the caller may use its object again', async () => {
  const metadata: Record<string, unknown> = { order: 1 };
  const request: Writable<SubmitRequest> = { type: 'a', userId: 'ada', metadata, workflow: image() };
  const first = pipeline.submit(request);
  Object.assign(request, { type: 'b', userId: 'bob', workflow: {} });
  metadata['order'] = 2;
  expect(await first).toMatchObject({ type: 'a', userId: 'ada', metadata: { order: 1 } });

  const opening: Writable<OpenRequest> = { type: 'a', userId: 'ada', reported: { steps: 10 } };
  const opened = pipeline.open(opening);
  Object.assign(opening, { userId: 'bob', reported: { steps: 20 } });
  const { promptId, userId, reported } = await opened;
  expect([userId, reported?.steps]).toEqual(['ada', 10]);

  const metrics: Record<string, number> = { loss: 1 };
  const told = pipeline.report(promptId, { count: 1, metrics });
  metrics['loss'] = 2;
  expect((await told).metrics).toEqual({ loss: 1 });
  metrics['loss'] = 3;
  await turn();
  expect((await pipeline.get(promptId))?.metrics).toEqual({ loss: 1 });
});

test('metadata is kept as JSON has it from the first state on', async () => {
  const metadata = { at: new Date(0), nothing: undefined };
  const job = await pipeline.submit({ type: 'a', userId: 'ada', metadata, workflow: image() });
  expect(job.metadata).toStrictEqual({ at: '1970-01-01T00:00:00.000Z' });
});

test('what is no request rejects, and does not throw', async () => {
  const broken = {
    get type(): string {
      throw new Error('a mistake of the application');
    },
  };
  for (const given of [undefined, null, 'x', broken]) {
    const submitted = pipeline.submit(given as never);
    await expect(submitted).rejects.toThrow(given === broken ? 'a mistake' : InvalidRequest);
  }
});

// The last few fit a ComfyUI of old, and no path of the gateway's: such a job could be listed, and asked for by nobody.
test.each([undefined, null, '', 5, 'a/b', 'a\nb', '\ud800', 'x'.repeat(129), '..', 'a b', 'ü', 'a?b'])(
  '[R16] no job is tracked under the id %j',
  async (id) => {
    await expect(pipeline.track(id as string, { type: 'a', userId: 'ada' })).rejects.toThrow(InvalidRequest);
  },
);
