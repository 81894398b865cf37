import { asyncScheduler, type SchedulerLike } from 'rxjs';
import type { ComfyUIStandIn } from '../../../support/comfyui/stand-in';
import { steps } from '../../../support/comfyui/workflows';
import { finished, start, until } from '../../../support/comfyui/client/comfyui-client';
import { letGoOfAll, posts, short, submitTo } from './submitting';

afterEach(letGoOfAll);

const long = () => steps({ steps: 200, secondsPerStep: 0.05 });

describe('cancelled meanwhile', () => {
  const cancelled = [{ tag: 'refused', failure: { kind: 'cancelled' } }];

  test('before it was posted: it never is', async () => {
    const server = await start();
    const { done } = submitTo(server.url, short(), { submission: { cancelAsked: () => true } });
    expect(await done).toMatchObject(cancelled);
    expect(server.requests).toEqual([]);
  });

  test('between two tries: it is not posted again', async () => {
    const server = await start({ faults: { loseAnswer: 'before', loseAnswerTimes: 1 } });
    const { done } = submitTo(server.url, short(), { cancelOnTrouble: true });
    expect(await done).toMatchObject(cancelled);
    expect([posts(server), server.executions.size]).toEqual([1, 0]);
  });

  test('while its server is away and cannot have got it: at once', async () => {
    const server = await start();
    await server.kill();
    const { done } = submitTo(server.url, short(), { cancelOnTrouble: true });
    expect(await done).toMatchObject(cancelled);
  });

  test('while its answer is lost: the server has it, so the job is there to be cancelled', async () => {
    const server = await start({ faults: { loseAnswer: 'after', loseAnswerTimes: 1 } });
    const { done } = submitTo(server.url, long(), { cancelOnTrouble: true });
    expect(await done).toMatchObject([{ tag: 'accepted' }]);
    expect(posts(server)).toBe(1);
  });
});

describe('gives up', () => {
  test.each([
    ['does not listen', async (server: ComfyUIStandIn) => server.kill()],
    [
      'answers with pages of HTML',
      (server: ComfyUIStandIn) => (server.faults.status = { httpStatus: 502, body: '<html>' }),
    ],
    ['never answers', (server: ComfyUIStandIn) => (server.faults.hangRoutes = ['/'])],
  ])('on a server that %s', async (_what, spoil: (server: ComfyUIStandIn) => unknown) => {
    const server = await start();
    await spoil(server);
    const { promptId, done } = submitTo(server.url, short(), { policy: { giveUpMs: 400, postMs: 100 } });
    expect(await done).toMatchObject([{ tag: 'refused', promptId, failure: { kind: 'unreachable', retryable: true } }]);
  });
});

test('[R10] does not give up, without one more try, because this process was suspended for longer than that', async () => {
  const server = await start({ faults: { loseAnswer: 'after', loseAnswerTimes: 1 } });
  let sleptMs = 0;
  const clock: SchedulerLike = {
    now: () => Date.now() + sleptMs,
    schedule: asyncScheduler.schedule.bind(asyncScheduler),
  };
  const { promptId, done } = submitTo(server.url, short(), {
    policy: { clock },
    submission: { onTrouble: () => (sleptMs = 3_600_000) },
  });
  expect(await done).toMatchObject([{ tag: 'accepted', promptId }]);
  expect(posts(server)).toBe(1);
});

test('unsubscribing ends it, wherever it is', async () => {
  const server = await start({ faults: { loseAnswer: 'before', loseAnswerTimes: 1 } });
  const { subscription, reports, events } = submitTo(server.url, short());
  await until(() => reports.length === 1);
  subscription.unsubscribe();
  const other = submitTo(server.url, short());
  await other.done;
  await finished(server, other.promptId);
  expect([events, server.executions.size, posts(server)]).toEqual([[], 1, 2]);
});
