import { of } from 'rxjs';
import { jobRoutes, type JobRoutes } from '../../../sources/looks/job-routes';
import { NoAnswer } from '../../../sources/rest/no-answer';
import type { Answer } from '../../../sources/rest/rest';
import { answer, expectCheapLooks } from './asking';

afterEach(expectCheapLooks);

describe('[R4] what is not ComfyUI’s is no answer', () => {
  const answering = (...answers: readonly Answer[]): JobRoutes => {
    const waiting = [...answers];
    return jobRoutes({ get: () => of(waiting.shift() ?? { status: 200, json: {} }), disown: () => undefined });
  };
  const gone = { status: 404, json: undefined };

  test.each<[string, ...Answer[]]>([
    ['an error as JSON', { status: 404, json: { detail: 'Not Found' } }],
    ['a login page’s JSON', { status: 401, json: { error: 'who are you?' } }],
    ['an empty answer', { status: 200, json: undefined }],
    ['jobs that are none', { status: 200, json: { jobs: [{ id: 7 }] } }],
    ['a queue of something else', gone, { status: 200, json: { queue_running: [], queue_pending: [{}] } }],
    ['half a queue', gone, { status: 200, json: { queue_running: [] } }],
    ['no queue', gone, { status: 404, json: undefined }],
  ])('as a queue: %s', async (_what, ...answers) => {
    await expect(answer(answering(...answers).queue())).rejects.toThrow(NoAnswer);
  });

  test.each<[string, ...Answer[]]>([
    ['a login page’s JSON', { status: 401, json: { error: 'who are you?' } }],
    ['a job without status', { status: 200, json: { id: 'a' } }],
    ['a history of something else', gone, { status: 200, json: { a: 'done' } }],
    ['a list', gone, { status: 200, json: [] }],
    ['nothing', gone, { status: 200, json: undefined }],
    ['an error', gone, { status: 403, json: { error: 'no' } }],
  ])('as one job: %s', async (_what, ...answers) => {
    await expect(answer(answering(...answers).one('a'))).rejects.toThrow(NoAnswer);
  });

  test('a 404 for one job that does not say so in ComfyUI’s words', async () => {
    await expect(answer(answering({ status: 404, json: { detail: 'Not Found' } }).one('a'))).rejects.toThrow(NoAnswer);
  });
});
