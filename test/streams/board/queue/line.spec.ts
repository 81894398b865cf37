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
    looked: (at: number, ids: string) => {
      line.looked(Array.from(ids, entry), at, ({ runId }) => ({ id: runId }));
    },
    told: (at: number, remaining: number, over = '') =>
      line.told(remaining, at, { isOurs: (id) => /[A-Z]/.test(id), isOver: (id) => over.includes(id) })?.ms,
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

test('a stranger’s run is timed where its start was seen', () => {
  const { looked, told } = aLine();
  looked(5, 'xyA');
  // The first ran before.
  expect(told(10, 2)).toBeUndefined();
  looked(20, 'yA');
  expect(told(40, 1)).toBe(30);
});

test('a stranger’s run is not timed whose start nobody saw, behind a job of ours', () => {
  const { line, looked, told } = aLine();
  looked(0, 'xAy');
  line.accepted('B', 1, false);
  told(2, 3);
  expect(told(50, 1, 'A')).toBeUndefined();
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
