import type { Job } from '../../../../streams/job/job';
import { planOf } from '../../../../streams/job/progress/plan/plan';
import { runClock } from '../../../../streams/job/progress/run-clock';
import { executing, stepped } from '../../../../streams/job/progress/run-events';
import type { Graph } from '../../../../streams/job/workflow';
import { aJob, aState, graph, knowing } from '../../job/a-job';
import { anySeed, aQueue, durations, ours, stranger, waiting, working } from './a-queue';

describe('jobs of ours', () => {
  test('start when all before them are done', () => {
    const jobs = [10, 20, 30].map((seconds, n) => waiting(`${n}`, n, working(seconds, { model: `${n}` })));
    const { seconds } = aQueue(...[...jobs].reverse());
    expect(jobs.map((job) => seconds(job))).toEqual([0, 70, 150]);
  });

  test('do not pay again for what the job before has loaded', () => {
    const jobs = [0, 1, 2, 3].map((n) => waiting(`${n}`, n, working(10)));
    const { seconds } = aQueue(...jobs);
    expect(jobs.map((job) => seconds(job))).toEqual([0, 70, 80, 90]);
  });

  test('pay again after a stranger with other models', () => {
    const [first, second] = [waiting('first', 1, working(10)), waiting('second', 3, working(10))];
    const other = stranger('x', working(5, { model: 'b' }));
    const { seconds, seen, begins } = aQueue(first, second);
    begins();
    seen(0, stranger('running', working(10)), ours(first), other, ours(second));
    expect([seconds(first), seconds(second)]).toEqual([71, 146]);
  });

  test('have a text made anew that nobody can see, until it is known to be the same', () => {
    const texting = (): Graph =>
      graph({
        '1': ['CLIPTextEncode', { seconds: 50 }],
        '2': ['KSampler', { positive: ['1', 0], seconds: 10, seed: anySeed() }],
      });
    const [first, second, third] = [0, 1, 2].map((n) => waiting(`${n}`, n, texting()));
    const { seconds, ran } = aQueue(first!, second!, third!);
    expect(seconds(third!)).toBe(120);
    ran(waiting('before', 0, texting()), 0, 60);
    ran(waiting('again', 0, texting()), 60, 70, ['1']);
    expect(seconds(third!, 71)).toBe(20);
  });

  test('are told nothing where what stands before them is not known', () => {
    const [first, second] = [waiting('1', 0, working(10, { trust: 0, loaderTrust: 0 })), waiting('2', 1, working(20))];
    expect(aQueue(first, second).seconds(second)).toBeUndefined();
    // Nobody told who stands between.
    const [front, third] = [waiting('0', 0, working(500)), waiting('3', 2, working(20))];
    expect(aQueue(front, third).seconds(third)).toBeUndefined();
    const nowhere: Job = { ...aJob(), state: aState() };
    expect(aQueue(nowhere).seconds(nowhere)).toBeUndefined();
  });

  test('are told what most of the time before them is known of', () => {
    const jobs = [20, 2, 5].map((seconds, n) => waiting(`${n}`, n, working(seconds, { trust: n === 1 ? 0 : 1 })));
    expect(aQueue(...jobs).seconds(jobs[2]!)).toBeDefined();
  });

  test('take what the last of their like took, where a server is slower than was learnt', () => {
    const job = waiting('job', 1, working(10));
    const { seconds, ran } = aQueue(waiting('next', 0, working(10)), job);
    const before = waiting('before', 0, working(10));
    ran(before, 0, 70);
    for (const n of [1, 2]) ran(waiting(`${n}`, 0, working(10)), 100 * n, 100 * n + 30, ['1']);
    expect(seconds(job, 230)).toBe(30);
  });
});

test('a job of ours that is polled has run since its start', () => {
  const run = runClock(planOf(working(10)), { at: 0, durations });
  const running = knowing(waiting('running', 0, working(10)), { run });
  const first: Job = { ...running, state: { ...running.state, status: 'processing' } };
  const second = waiting('second', 1, working(10));
  expect(aQueue(first, second).seconds(second, 40)).toBe(32);
});

test('a job of ours that takes three times as long as its like, and counts no steps, is expected to take as long again as it is late', () => {
  const begun = runClock(planOf(working(10)), { at: 0, durations });
  const at = (run: typeof begun): Job => {
    const running = knowing(waiting('running', 0, working(10)), { run });
    return { ...running, state: { ...running.state, status: 'processing' } };
  };
  const second = waiting('second', 1, working(10));
  const loading = executing(begun, '1', 0);
  expect(aQueue(at(loading), second).seconds(second, 100)).toBeDefined();
  expect(aQueue(at(loading), second).seconds(second, 250)).toBe(250 - 70);
  const counting = stepped(executing(loading, '2', 60_000), '2', 5, 10, 240_000);
  expect(aQueue(at(counting), second).seconds(second, 250)).toBeDefined();
});
