import { bounds } from '../../../../streams/bounds';
import { Line } from '../../../../streams/board/queue/line/line';
import { sameNodes } from '../../../../streams/board/queue/line/same-nodes';
import type { QueueEntry } from '../../../../streams/job/job-event';
import { graph } from '../../job/a-job';

/** A line in which jobs whose ids are capitals are ours. */
function aLine() {
  const line = new Line();
  const entry = (runId: string): QueueEntry => ({ runId, nodes: () => 0, graph: () => undefined });
  return {
    line,
    ids: () => line.slots.map(({ id }) => id ?? '?').join(''),
    /** The runs that are over and were seen whole. */
    looked: (at: number, ids: string) =>
      line
        .looked(Array.from(ids, entry), at, ({ runId }) => ({ id: runId }))
        .map(({ slot, ms }) => `${slot.id ?? '?'} ${ms}`),
    told: (at: number, remaining: number, over = '') =>
      line.told(remaining, at, { isOurs: (id) => /[A-Z]/.test(id), isOver: (id) => over.includes(id) }),
    since: () => line.atWork?.since,
    isExact: () => line.atWork?.isExact,
  };
}

describe('who stands where', () => {
  test('is what a look told, until strangers end and come', () => {
    const { ids, looked, told } = aLine();
    looked(0, 'xyA');
    told(10, 2);
    expect(ids()).toBe('yA');
    told(11, 3);
    expect(ids()).toBe('yA?');
  });

  test('goes on as our jobs are taken and end', () => {
    const { line, ids, told } = aLine();
    told(0, 1);
    told(1, 2);
    line.accepted('A', 2, false);
    line.accepted('B', 3, false);
    line.accepted('C', 4, true);
    expect(ids()).toBe('?CAB');
    line.ended('B', 5, undefined);
    told(6, 2);
    expect(ids()).toBe('CA');
    line.ended('C', 7, graph({ '1': ['SaveImage'] }));
    told(8, 1);
    expect(ids()).toBe('A');
  });

  test('is not changed at the front by who is taken out behind a job of ours that runs', () => {
    const { ids, looked, told } = aLine();
    looked(0, 'AxB');
    told(1, 2);
    expect(ids()).toBe('AxB');
    told(2, 2, 'A');
    expect(ids()).toBe('xB');
  });

  test('does not hold a job of ours that a look from before still found', () => {
    const { line, ids, looked } = aLine();
    line.ended('A', 1, undefined);
    looked(2, 'AxB');
    expect(ids()).toBe('xB');
    line.accepted('A', 3, false);
    expect(ids()).toBe('xBA');
    // Run once more, it is found as any other.
    looked(4, 'xBA');
    expect(ids()).toBe('xBA');
  });

  test('is once there, though a look finds a job of ours before its post is answered', () => {
    const { line, ids, looked } = aLine();
    looked(0, 'xA');
    line.accepted('A', 1, false);
    expect(ids()).toBe('xA');
  });

  test('is nobody before a job of ours that has run: who stood there is over, or was never there', () => {
    const { line, ids, looked } = aLine();
    looked(0, 'xyAB');
    line.ended('A', 1, graph({ '1': ['SaveImage'] }));
    expect(ids()).toBe('B');
  });

  test('[R16] is followed no further than the bound', () => {
    const { line, told } = aLine();
    told(0, 1e9);
    expect(line.slots.length).toBe(bounds.queuePlaces);
    told(1, -5);
    expect(line.slots.length).toBe(0);
  });
});

describe('a stranger’s run', () => {
  test('is timed where its start was seen, once a look finds it gone', () => {
    const { looked, told } = aLine();
    looked(500, 'xyA');
    // The first ran before.
    told(1000, 2);
    expect(looked(2000, 'yA')).toEqual([]);
    told(4000, 1);
    expect(looked(5000, 'A')).toEqual(['y 3000']);
  });

  test('is timed where nobody told whose it is', () => {
    const { told } = aLine();
    told(0, 3);
    // It may have run before the queue's length was told.
    expect(told(10, 2)).toBeUndefined();
    expect(told(40, 1)).toBe(30);
  });

  test('is timed without a look where a `status` confirms its end, and counts no second time', () => {
    const { line, looked, told } = aLine();
    told(0, 0);
    told(100, 1);
    looked(200, 'xyA');
    for (const _socket of ['a', 'b']) told(3100, 2);
    expect(line.confirmed()).toMatchObject({ slot: { id: 'x' }, ms: 3000 });
    told(3101, 2);
    expect(looked(4000, 'yA')).toEqual([]);
    told(5000, 1);
    told(5001, 2);
    // Once the queue is of another length nothing is confirmed any more.
    expect(line.confirmed()).toBeUndefined();
    expect(looked(6000, 'A')).toEqual(['y 1900']);
  });

  test('counts no second time where a look found its end before the second `status` came', () => {
    const { line, looked, told } = aLine();
    told(0, 0);
    told(100, 1);
    looked(200, 'xyA');
    told(3100, 2);
    expect(looked(3101, 'yA')).toEqual(['x 3000']);
    expect(line.confirmed()).toBeUndefined();
  });

  test('goes on as long as before when a waiting job was removed', () => {
    const { looked, told, since, isExact } = aLine();
    told(0, 0);
    told(100, 1);
    looked(200, 'xyzA');
    expect([since(), isExact()]).toEqual([100, true]);
    told(5000, 3);
    expect(looked(6000, 'xzA')).toEqual([]);
    expect([since(), isExact()]).toEqual([100, true]);
  });

  test('is no run if it was removed with others', () => {
    const { looked, told } = aLine();
    told(0, 0);
    told(100, 1);
    looked(200, 'vwxyA');
    for (const [n, left] of [4, 3, 2].entries()) told(5000 + n, left);
    // In truth w and x were removed, and v has ended.
    expect(looked(6000, 'yA')).toEqual(['v 4900']);
  });

  test('began when the one before was over, if it went in front of who was expected', () => {
    const { looked, told, since, isExact } = aLine();
    told(0, 0);
    told(100, 1);
    looked(200, 'xyA');
    told(1000, 4);
    told(3000, 3);
    looked(9000, 'zyA');
    expect([since(), isExact()]).toEqual([3000, true]);
  });

  test('has no known start where what stood at the front is over, too', () => {
    const { looked, told, since, isExact } = aLine();
    told(0, 3);
    expect(isExact()).toBe(false);
    looked(200, 'xyA');
    looked(9000, 'zA');
    expect([since(), isExact()]).toEqual([9000, false]);
  });
});

test('a stranger’s run is not timed whose start nobody saw, behind a job of ours', () => {
  const { line, looked, told } = aLine();
  looked(0, 'xAy');
  line.accepted('B', 1, false);
  told(2000, 3);
  told(5000, 1, 'A');
  expect(looked(6000, 'B')).toEqual([]);
});

describe('what a run before has left as it is wanted', () => {
  const workflow = (seed: number, text = 'PrimitiveInt') =>
    graph({
      loader: ['CheckpointLoaderSimple', { ckpt_name: 'a' }],
      given: [text, { value: 1 }],
      sampler: ['KSampler', { model: ['loader', 0], steps: ['given', 0], seed }],
      save: ['SaveImage', { images: ['sampler', 0] }],
    });

  test('is what is the same all the way up', () => {
    expect(sameNodes(workflow(1), workflow(2))).toEqual(['loader', 'given']);
    expect(sameNodes(workflow(1), workflow(1))).toEqual(['loader', 'given', 'sampler', 'save']);
  });

  test('is nothing that works on what nobody can see, unless it was cached before', () => {
    const [before, next] = [workflow(1, 'CLIPTextEncode'), workflow(1, 'CLIPTextEncode')];
    expect(sameNodes(next, before)).toEqual(['loader']);
    expect(sameNodes(next, before, new Set(['loader', 'given', 'sampler', 'save']))).toHaveLength(4);
    expect(sameNodes(workflow(2, 'CLIPTextEncode'), before, new Set(['loader', 'given']))).toEqual(['loader', 'given']);
  });
});
