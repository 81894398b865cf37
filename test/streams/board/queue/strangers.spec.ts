import { bounds } from '../../../../streams/bounds';
import { Strangers } from '../../../../streams/board/queue/line/strangers';
import type { QueueEntry } from '../../../../streams/job/job-event';
import type { Graph } from '../../../../streams/job/workflow';
import { graph } from '../../job/a-job';
import { aQueue, ours, stranger, waiting, working } from './a-queue';

/** A workflow of a class that nobody knows. */
const unknown = (type: string, strength = 0): Graph =>
  graph({ '1': [type, { strength, trust: 0, seconds: 1 }], '2': ['SaveImage', { images: ['1', 0] }] });

describe('strangers', () => {
  test('take what their own workflows are known to take', () => {
    const job = waiting('job', 2, working(10));
    const { seconds, seen, begins } = aQueue(job);
    begins();
    seen(0, stranger('x', working(10)), stranger('y', working(100)), ours(job));
    expect(seconds(job)).toBe(71 + 100);
  });

  test('that ran before anybody looked are half over, and nothing is told of them alone', () => {
    const [next, later] = [waiting('next', 1, working(10)), waiting('later', 2, working(10))];
    const { seconds, seen } = aQueue(next, later);
    seen(0, stranger('x', working(50)), ours(next), ours(later));
    expect(seconds(next)).toBeUndefined();
    const [soon, last] = [waiting('soon', 1, working(10)), waiting('last', 3, working(10))];
    const queue = aQueue(soon, last);
    queue.seen(0, stranger('x', working(10)), ours(soon), stranger('z', working(200, { model: 'z' })), ours(last));
    expect(queue.seconds(last)).toBe(35 + 10 + 260);
  });

  test('have less left the longer they have run', () => {
    const job = waiting('job', 1, working(10));
    const { seconds, seen, begins } = aQueue(job);
    begins();
    seen(0, stranger('x', working(40)), ours(job));
    expect(seconds(job, 50)).toBeLessThan(54);
    expect(seconds(job, 50)).toBeGreaterThan(49);
  });

  test('are expected to go on as long as they are late, however late they are', () => {
    const job = waiting('job', 1, working(10));
    const { seconds, seen, begins } = aQueue(job);
    begins();
    seen(0, stranger('x', working(40)), ours(job));
    expect(seconds(job, 180)).toBe(80);
    expect(seconds(job, 300)).toBe(200);
  });

  test('that nobody knows take the middle of what runs took there, which no single one moves', () => {
    const job = waiting('job', 3, working(10));
    const { seconds, ran, length, begins } = aQueue(job);
    begins();
    length(0, 4);
    expect(seconds(job)).toBeUndefined();
    for (const [n, took] of [18, 600, 20, 22, 24].entries()) ran(waiting(`${n}`, 0, working(took)), 0, took);
    length(1, 4);
    expect(seconds(job, 1)).toBeGreaterThan(60);
    expect(seconds(job, 1)).toBeLessThan(72);
  });

  test('are told nothing of where runs there were hardly alike, or a guess tells of another kind of run', () => {
    const job = waiting('job', 3, working(10));
    const { seconds, ran, length } = aQueue(job);
    length(0, 4);
    for (const [n, took] of [18, 600, 20, 90].entries()) ran(waiting(`${n}`, 0, working(took)), 0, took);
    length(1, 4);
    expect(seconds(job, 1)).toBeUndefined();

    const next = waiting('next', 2, working(10));
    const behind = (guessed: number): number | undefined => {
      const queue = aQueue(next);
      for (const n of [1, 2, 3]) queue.ran(waiting(`${n}`, 0, working(5, { model: `${n}` })), 0, 20);
      const unknown = working(guessed, { trust: 0, loaderTrust: 0, model: 'b' });
      queue.begins();
      queue.seen(1, stranger('x', unknown), stranger('y', unknown), ours(next));
      return queue.seconds(next, 1);
    };
    expect(behind(10)).toBeLessThan(50);
    expect(behind(1000)).toBeUndefined();
  });

  test('take what their like was seen to take', () => {
    const job = waiting('job', 3, working(10));
    const { seconds, seen, length } = aQueue(job);
    const like = (id: string): QueueEntry => stranger(id, working(10, { trust: 0, loaderTrust: 0 }));
    length(0, 3);
    seen(0, like('x'), like('y'), like('z'), ours(job));
    length(200, 3);
    length(400, 2);
    seen(400, like('z'), ours(job));
    expect(seconds({ ...job, state: { ...job.state, queuePosition: 1 } }, 400)).toBeGreaterThan(190);
  });

  test('of classes that nobody knows take what others of their shape took, whatever their inputs', () => {
    const job = waiting('job', 3, working(10));
    const { seconds, seen, length, begins } = aQueue(job);
    const alike = (id: string, strength: number): QueueEntry => stranger(id, unknown('MysteryBox', strength));
    begins();
    length(0, 4);
    seen(0, alike('x', 1), alike('y', 2), alike('z', 3), ours(job));
    expect(seconds(job)).toBeUndefined();
    for (const at of [50, 50.01]) length(at, 3);
    expect(seconds({ ...job, state: { ...job.state, queuePosition: 2 } }, 51)).toBeCloseTo(100, -1);
  });

  test('of other shapes take what others of that client took, told where it is added up of several', () => {
    const job = waiting('job', 12, working(10));
    const { seconds, seen, length, begins } = aQueue(job);
    const of = (client: string, n: number): QueueEntry => ({
      ...stranger(`${client}${n}`, unknown(`Odd${client}${n}`)),
      client,
    });
    const [als, bobs] = [[0, 1, 2, 3].map((n) => of('al', n)), [0, 1, 2, 3].map((n) => of('bob', n))];
    const later = [4, 5, 6, 7].map((n) => of('al', n));
    begins();
    length(0, 13);
    seen(0, ...als, ...bobs, ...later, ours(job));
    let [at, left] = [0, 13];
    for (const took of [5, 6, 5, 6, 100, 110, 100, 110]) {
      at += took;
      left -= 1;
      for (const time of [at, at + 0.01]) length(time, left);
    }
    const told = seconds({ ...job, state: { ...job.state, queuePosition: 4 } }, at);
    expect(told).toBeGreaterThan(15);
    expect(told).toBeLessThan(30);
  });

  test('of classes that nobody knows are told nothing of where another shape alone was seen', () => {
    const job = waiting('job', 2, working(10));
    const { seconds, seen, length, begins } = aQueue(job);
    begins();
    length(0, 3);
    seen(0, stranger('x', unknown('MysteryBox')), stranger('y', unknown('OtherBox')), ours(job));
    for (const at of [50, 50.01]) length(at, 2);
    expect(seconds({ ...job, state: { ...job.state, queuePosition: 1 } }, 51)).toBeUndefined();
  });

  test('are timed though nobody told what they ran', () => {
    const job = waiting('job', 3, working(10));
    const { seconds, length, begins } = aQueue(job);
    begins();
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
