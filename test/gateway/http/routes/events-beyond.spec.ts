import { steps } from '../../../support/comfyui/workflows';
import { readEvents } from '../../support/http/event-reader';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await runningGateway();
});
afterAll(() => gateway.close());

test('whoever returns with an id beyond the job’s, as it was another job’s, is told of its end all the same', async () => {
  gateway.comfy.faults.mostSteps = 2;
  const job = { workflow: steps(), type: 'image_generation', userId: 'ada' };
  const { promptId } = await gateway.pipeline.submit(job);
  const beyond = { 'Last-Event-ID': '9999999999999999:9' };
  const early = await readEvents(gateway, promptId, beyond);
  gateway.comfy.faults.mostSteps = Infinity;
  await early.end;
  const late = await readEvents(gateway, promptId, beyond);
  await late.end;
  for (const { jobs } of [early, late]) expect(jobs.map(({ status }) => status)).toEqual(['completed']);
  const over = await readEvents(gateway, promptId, { 'Last-Event-ID': late.ids.at(-1)! });
  expect([over.status, await over.end]).toEqual([204, true]);
});
