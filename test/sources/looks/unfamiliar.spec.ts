import { lastValueFrom, of } from 'rxjs';
import { jobRoutes, type JobRoutes } from '../../../sources/looks/job-routes';
import { NoAnswer } from '../../../sources/rest/no-answer';
import type { Answer } from '../../../sources/rest/rest';

/** A server of words that we do not know, by its routes; 404 without a word on all others. */
function serverOf(routes: Readonly<Record<string, Answer>>): { readonly routes: JobRoutes; readonly asked: string[] } {
  const asked: string[] = [];
  const get = (path: string) => {
    asked.push(path);
    return of(routes[path] ?? { status: 404, json: undefined });
  };
  return { routes: jobRoutes({ get, disown: () => undefined }), asked };
}

const LIST = '/api/jobs?status=in_progress,pending';
const file = { filename: 'a.png', subfolder: '', type: 'output' };
const history = {
  status: 200,
  json: { a: { outputs: { '4': { images: [file] } }, status: { status_str: 'success', completed: true } } },
};
const nothing = { status: 200, json: {} };
const inState = (status: string, more: object = {}): Answer => ({ status: 200, json: { id: 'a', status, ...more } });
const one = ({ routes }: { readonly routes: JobRoutes }) => lastValueFrom(routes.one('a'));

test.each(['success', 'error', 'archived'])('of a job that is %s, history tells how it ended', async (status) => {
  const server = serverOf({ '/api/jobs/a': inState(status), '/history/a': history });
  expect(await one(server)).toEqual({
    tag: 'ended',
    outcome: [{ nodeId: '4', kind: 'images', ...file }],
  });
});

test('[R4] of a job in an unknown state that no history has, nothing is said but that it is there', async () => {
  for (const old of [{ '/history/a': nothing }, {}] as const)
    expect(await one(serverOf({ '/api/jobs/a': inState('warming_up'), ...old }))).toMatchObject({
      tag: 'queued',
      job: { promptId: 'a', running: false },
    });
});

test('[R3] outputs that a completed job does not name are had from history', async () => {
  const completed = inState('completed', { outputs_count: 1 });
  expect(await one(serverOf({ '/api/jobs/a': completed, '/history/a': history }))).toMatchObject({
    outcome: [{ filename: 'a.png' }],
  });
  const failing = serverOf({ '/api/jobs/a': completed, '/history/a': { status: 401, json: { error: 'no' } } });
  await expect(one(failing)).rejects.toThrow(NoAnswer);
});

test('a server that does not know the states which are asked for is asked for its queue, from then on', async () => {
  const json = { queue_running: [[1, 'a', {}, {}, []]], queue_pending: [] };
  const { routes, asked } = serverOf({
    [LIST]: { status: 400, json: { error: 'Invalid status value(s): in_progress, pending' } },
    '/queue': { status: 200, json },
  });
  for (let n = 0; n < 2; n += 1)
    expect(await lastValueFrom(routes.queue())).toMatchObject([{ promptId: 'a', running: true }]);
  expect(asked).toEqual([LIST, '/queue', '/queue']);
});

test('[R4] a server that lists a page of its jobs is asked for its whole queue: those on no page are not absent', async () => {
  const json = { queue_running: [[1, 'a', {}, {}, []]], queue_pending: [[2, 'b', {}, {}, []]] };
  const page = {
    jobs: [{ id: 'a', status: 'in_progress' }],
    pagination: { offset: 0, limit: 1, total: 2, has_more: true },
  };
  const { routes, asked } = serverOf({ [LIST]: { status: 200, json: page }, '/queue': { status: 200, json } });
  for (let n = 0; n < 2; n += 1)
    expect(await lastValueFrom(routes.queue())).toMatchObject([{ promptId: 'a' }, { promptId: 'b' }]);
  expect(asked).toEqual([LIST, '/queue', '/queue']);
});

test('[R8] a 400 of a proxy for everything makes no such server of one', async () => {
  const refusal = { status: 400, json: { error: 'bad request' } };
  const answers: Record<string, Answer> = { [LIST]: refusal, '/queue': refusal };
  const { routes, asked } = serverOf(answers);
  await expect(lastValueFrom(routes.queue())).rejects.toThrow(NoAnswer);
  answers[LIST] = { status: 200, json: { jobs: [] } };
  expect(await lastValueFrom(routes.queue())).toEqual([]);
  expect(asked).toEqual([LIST, '/queue', LIST]);
});
