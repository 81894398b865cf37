import { bounds } from '../../../../streams/bounds';
import { Strangers } from '../../../../streams/board/queue/line/strangers';
import { StartTimes } from '../../../../streams/board/queue/start-times';
import type { Job } from '../../../../streams/job/job';
import type { QueueEntry } from '../../../../streams/job/job-event';
import type { Durations } from '../../../../streams/job/progress/plan/expected';
import { planOf } from '../../../../streams/job/progress/plan/plan';
import { runClock, withCached } from '../../../../streams/job/progress/run-clock';
import { executing, stepped } from '../../../../streams/job/progress/run-events';
import type { Graph } from '../../../../streams/job/workflow';
import { SERVER, aJob, aState, graph, knowing } from '../../job/a-job';

/** Each node takes as many seconds as it says; `trust` of them is how sure that is. */
const durations: Durations = ({ literals }) => {
  const fixedMs = 1000 * Number(literals.get('seconds') ?? 0);
  return { fixedMs, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust: Number(literals.get('trust') ?? 1) };
};

let seed = 0;
/** A workflow that loads for a minute what no other of the same model loads again, and then works for so many seconds. */
const working = (seconds: number, { model = 'a', trust = 1, loaderTrust = 1 } = {}): Graph =>
  graph({
    '1': ['CheckpointLoaderSimple', { ckpt_name: model, seconds: 60, trust: loaderTrust }],
    '2': ['KSampler', { model: ['1', 0], seconds, trust, seed: seed++ }],
    '3': ['SaveImage', { images: ['2', 0] }],
  });

const waiting = (promptId: string, queuePosition: number, workflow: Graph): Job => ({
  ...aJob({ state: aState({ promptId, queuePosition }) }),
  graph: workflow,
  durations,
});
const stranger = (runId: string, workflow: Graph): QueueEntry => ({
  runId,
  nodes: () => workflow.size,
  graph: () => workflow,
});
const ours = ({ state: { promptId }, graph: workflow }: Job): QueueEntry => stranger(promptId, workflow);

/** Some jobs of ours, and when they start. */
function aQueue(...some: readonly Job[]) {
  const jobs = new Map(some.map((job) => [job.state.promptId, job]));
  const starts = new StartTimes({
    jobs: { jobs, ofServer: () => [...jobs.values()], countOf: () => jobs.size, run: (id) => jobs.get(id) },
    durationsOn: () => durations,
    report: (_, error) => {
      throw error;
    },
  });
  return {
    seconds: (job: Job, at = 0): number | undefined => {
      const { etaMs } = starts.started(job, job, at * 1000).state;
      return etaMs === undefined ? undefined : Math.round(etaMs / 1000);
    },
    seen: (at: number, ...entries: readonly QueueEntry[]) => {
      starts.told({ tag: 'queueSeen', serverUrl: SERVER, entries, at: at * 1000 });
    },
    length: (at: number, remaining: number) => {
      starts.told({ tag: 'queueLength', serverUrl: SERVER, remaining, at: at * 1000 });
    },
    /** A job of ours has run from one second to another. */
    ran: (job: Job, from: number, to: number, cached: readonly string[] = []) => {
      const run = withCached(runClock(planOf(job.graph), { at: from * 1000, durations }), cached);
      starts.ended({ ...job, state: { ...job.state, status: 'processing' } }, run, to * 1000);
      jobs.delete(job.state.promptId);
    },
  };
}

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
    const { seconds, seen } = aQueue(first, second);
    seen(0, stranger('running', working(10)), ours(first), other, ours(second));
    expect([seconds(first), seconds(second)]).toEqual([71, 146]);
  });

  test('have a text made anew that nobody can see, until it is known to be the same', () => {
    const texting = (): Graph =>
      graph({
        '1': ['CLIPTextEncode', { seconds: 50 }],
        '2': ['KSampler', { positive: ['1', 0], seconds: 10, seed: seed++ }],
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

describe('strangers', () => {
  test('take what their own workflows are known to take', () => {
    const job = waiting('job', 2, working(10));
    const { seconds, seen } = aQueue(job);
    seen(0, stranger('x', working(10)), stranger('y', working(100)), ours(job));
    expect(seconds(job)).toBe(71 + 100);
  });

  test('have less left the longer they have run', () => {
    const job = waiting('job', 1, working(10));
    const { seconds, seen, length } = aQueue(job);
    length(0, 1);
    seen(0, stranger('x', working(40)), ours(job));
    expect(seconds(job, 50)).toBeLessThan(54);
    expect(seconds(job, 50)).toBeGreaterThan(49);
  });

  test('are expected to go on as long as they are late, and nothing is told once they are very late', () => {
    const job = waiting('job', 1, working(10));
    const { seconds, seen, length } = aQueue(job);
    length(0, 1);
    seen(0, stranger('x', working(40)), ours(job));
    expect(seconds(job, 180)).toBe(80);
    expect(seconds(job, 300)).toBeUndefined();
  });

  test('that nobody knows take the middle of what runs took there, which no single one moves', () => {
    const job = waiting('job', 3, working(10));
    const { seconds, ran, length } = aQueue(job);
    length(0, 4);
    expect(seconds(job)).toBeUndefined();
    for (const [n, took] of [18, 600, 20, 22, 24].entries()) ran(waiting(`${n}`, 0, working(took)), 0, took);
    length(1, 4);
    expect(seconds(job, 1)).toBeGreaterThan(60);
    expect(seconds(job, 1)).toBeLessThan(72);
  });

  test('take what their like was seen to take', () => {
    const job = waiting('job', 3, working(10));
    const { seconds, seen, length } = aQueue(job);
    const like = (id: string): QueueEntry => stranger(id, working(10, { trust: 0, loaderTrust: 0 }));
    length(0, 3);
    seen(0, like('x'), like('y'), like('z'), ours(job));
    length(200, 3);
    length(400, 2);
    expect(seconds({ ...job, state: { ...job.state, queuePosition: 1 } }, 400)).toBeGreaterThan(190);
  });

  test('are timed though nobody told what they ran', () => {
    const job = waiting('job', 3, working(10));
    const { seconds, length } = aQueue(job);
    for (const [n, at] of [0, 50, 100].entries()) length(at, 6 - n);
    expect(seconds(job, 100)).toBeGreaterThan(2 * 40);
  });

  test('[R16] are read once, and no more of them than there is room for', () => {
    const job = waiting('job', 2, working(10));
    const { seen } = aQueue(job);
    const reads: string[] = [];
    const counted = (runId: string, nodes: number): QueueEntry => ({
      runId,
      nodes: () => nodes,
      graph: () => {
        reads.push(runId);
        return working(10);
      },
    });
    const entries = [counted('x', 3), counted('giant', bounds.strangersNodes), ours(job), counted('y', 3)];
    for (const at of [0, 30, 60]) seen(at, ...entries);
    expect(reads).toEqual(['x', 'y']);
    seen(90, ours(job), counted('z', bounds.strangersNodesAtOnce));
    expect(reads).toEqual(['x', 'y', 'z']);
  });

  test('[R16] that have left make room for others, on whichever server', () => {
    const big = graph(
      Object.fromEntries(Array.from({ length: bounds.strangersNodesAtOnce }, (_, n) => [`${n}`, ['Node']])),
    );
    const [strangers, most] = [new Strangers(), bounds.strangersNodes / bounds.strangersNodesAtOnce];
    const areRead = (server: string, ...ids: readonly string[]): readonly boolean[] =>
      [
        ...strangers
          .seen(
            server,
            ids.map((id) => stranger(id, big)),
          )
          .values(),
      ].map((slot) => slot.graph !== undefined);
    for (let n = 0; n < most; n += 1) expect(areRead(`${n}`, 'a')).toEqual([true]);
    expect(areRead('more', 'b')).toEqual([false]);
    strangers.forget('0');
    strangers.forget('0');
    expect(areRead('more', 'b')).toEqual([true]);
    expect(areRead('0', 'a')).toEqual([false]);
    expect(areRead('1', 'c')).toEqual([true]);
    expect(areRead('0', 'a')).toEqual([false]);
  });
});

test('a job of ours that is polled has run since its start', () => {
  const run = runClock(planOf(working(10)), { at: 0, durations });
  const running = knowing(waiting('running', 0, working(10)), { run });
  const first: Job = { ...running, state: { ...running.state, status: 'processing' } };
  const second = waiting('second', 1, working(10));
  expect(aQueue(first, second).seconds(second, 40)).toBe(32);
});

test('nothing is told behind a job of ours that takes three times as long as its like, and counts no steps', () => {
  const begun = runClock(planOf(working(10)), { at: 0, durations });
  const at = (run: typeof begun): Job => {
    const running = knowing(waiting('running', 0, working(10)), { run });
    return { ...running, state: { ...running.state, status: 'processing' } };
  };
  const second = waiting('second', 1, working(10));
  const loading = executing(begun, '1', 0);
  expect(aQueue(at(loading), second).seconds(second, 100)).toBeDefined();
  expect(aQueue(at(loading), second).seconds(second, 250)).toBeUndefined();
  const counting = stepped(executing(loading, '2', 60_000), '2', 5, 10, 240_000);
  expect(aQueue(at(counting), second).seconds(second, 250)).toBeDefined();
});
