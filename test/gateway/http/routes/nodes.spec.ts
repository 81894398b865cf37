import { Subject } from 'rxjs';
import { nodeHistories } from '../../../../gateway/http/routes/nodes/node-histories';
import type { JobState } from '../../../../streams/job/job-state';
import { queuedState } from '../../../../streams/job/job';
import { nodeError, steps } from '../../../support/comfyui/workflows';
import { asking } from '../../support/http/asking';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await runningGateway();
});
afterAll(() => gateway.close());

const nodesOf = async (promptId: string) => (await asking(gateway)('GET', `/jobs/${promptId}/nodes`)).json;
const ended = async (workflow: ReturnType<typeof steps>) => {
  const job = await gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada' });
  return settled(gateway.pipeline, job.promptId);
};

test('a job’s nodes are told in order, each from its start to its end', async () => {
  const { promptId, startedAt, finishedAt } = await ended(steps());
  const { turns, missed, began } = await nodesOf(promptId);
  const told = turns as { id: string; from: number; to: number }[];
  expect(told.map(({ id }) => id)).toEqual(['1', '2', '3', '4']);
  const times = [startedAt, began, ...told.flatMap(({ from, to }) => [from, to]), finishedAt];
  expect(times).toEqual([...times].sort((a, b) => Number(a) - Number(b)));
  expect(missed).toEqual({ before: false, between: false });
});

test('the node that failed is marked', async () => {
  const { promptId } = await ended(nodeError());
  const { turns } = await nodesOf(promptId);
  expect((turns as object[]).at(-1)).toMatchObject({ id: '2', type: 'TestSyncError', failed: true });
});

test('thousands of jobs do not pile up, and nothing is recorded once the gateway has closed', () => {
  const state$ = new Subject<JobState>();
  const closing$ = new Subject<void>();
  const histories = nodeHistories(state$, closing$);
  const tell = (promptId: string) =>
    state$.next(queuedState({ promptId, type: 'face_swap', userId: 'ada', serverUrl: 'http://127.0.0.1', at: 1 }));
  for (let n = 0; n < 3000; n += 1) tell(`job-${n}`);
  expect(histories.of({ promptId: 'job-2999', userId: 'ada' })).toBeDefined();
  expect(histories.of({ promptId: 'job-999', userId: 'ada' })).toBeUndefined();
  expect(histories.of({ promptId: 'job-1000', userId: 'ada' })).toBeDefined();
  // An id that another user had before says nothing of that job.
  expect(histories.of({ promptId: 'job-2999', userId: 'bob' })).toBeUndefined();
  closing$.next();
  tell('late');
  expect(histories.of({ promptId: 'late', userId: 'ada' })).toBeUndefined();
  expect(state$.observed).toBe(false);
});
