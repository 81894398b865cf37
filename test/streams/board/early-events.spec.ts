import type { JobEvent } from '../../../streams/job/job-event';
import { earlyEvents } from '../../../streams/board/early-events';
import type { Fact } from '../job/a-job';

const of = (promptId: string, fact: Fact = { tag: 'started' }, at = 0): JobEvent => ({ promptId, at, ...fact });
const step: Fact = { tag: 'stepped', value: 1, max: 2 };

test('what was kept is taken once, in order', () => {
  const kept = earlyEvents();
  kept.keep(of('a'));
  kept.keep(of('a', step));
  expect(kept.take('a')).toEqual([of('a'), of('a', step)]);
  expect(kept.take('a')).toEqual([]);
});

test('of many jobs the oldest goes first', () => {
  const kept = earlyEvents();
  for (let job = 0; job < 100; job++) kept.keep(of(String(job)));
  const left = Array.from({ length: 100 }, (_, job) => kept.take(String(job)).length);
  expect(left.reduce((sum, events) => sum + events)).toBe(64);
  expect(left.slice(0, 36)).toEqual(Array<number>(36).fill(0));
});

test('a job that is told of again is not the oldest', () => {
  const kept = earlyEvents();
  kept.keep(of('a'));
  for (let job = 0; job < 63; job++) kept.keep(of(String(job)));
  kept.keep(of('a'));
  kept.keep(of('new'));
  expect(kept.take('a')).toHaveLength(2);
  expect(kept.take('0')).toHaveLength(0);
});

test('of one job no more than 256 events are kept', () => {
  const kept = earlyEvents();
  for (let event = 0; event < 100_000; event++) kept.keep(of('a', step, event));
  expect(kept.take('a').length).toBeLessThanOrEqual(256);
});

test('[R3] what was not kept to the end does not count as the whole', () => {
  const kept = earlyEvents();
  for (let event = 0; event < 257; event++) kept.keep(of('a', event === 0 ? { tag: 'started' } : step));
  expect(kept.take('a')).not.toContainEqual(of('a'));
});

test('[R3] nor does what was kept while something may have been missed', () => {
  const kept = earlyEvents();
  kept.keep(of('a'));
  kept.spoil();
  kept.keep(of('a', step));
  expect(kept.take('a')).toEqual([of('a', step)]);
});

test('[R3] nor does what an event was missing from that is too large to keep', () => {
  const kept = earlyEvents({ earlyJobs: 64, earlyBytes: 1_000 });
  kept.keep(of('a'));
  kept.keep(of('a', step));
  kept.keep(of('a', { tag: 'executing', nodeId: 'x'.repeat(5_000) }));
  expect(kept.take('a')).toEqual([of('a', step)]);
});

test('[R16] what is kept is bounded in bytes: the oldest job goes first, an event too large by itself is not kept', () => {
  const kept = earlyEvents({ earlyJobs: 64, earlyBytes: 1_000 });
  const event = (promptId: string, length: number): JobEvent => ({
    tag: 'executing',
    promptId,
    at: 0,
    nodeId: 'x'.repeat(length),
  });
  kept.keep(event('a', 400));
  kept.keep(event('b', 400));
  kept.keep(event('c', 5_000));
  kept.keep(event('d', 400));
  expect(['a', 'b', 'c', 'd'].map((promptId) => kept.take(promptId).length)).toEqual([0, 1, 0, 1]);
  kept.keep(event('e', 900));
  expect(kept.take('e')).toHaveLength(1);
});
