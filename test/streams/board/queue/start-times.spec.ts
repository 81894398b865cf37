import { startTimes } from '../../../../streams/board/queue/start-times';
import type { Job } from '../../../../streams/job/job';
import { aJob, aState } from '../../job/a-job';

const SERVER = 'http://comfyui';

/** A waiting job that is known to take so many seconds, at this place. */
const waiting = (queuePosition: number, seconds: number, trust = 1): Job => ({
  ...aJob({ state: aState({ queuePosition }) }),
  // A graph of its own: what it takes is remembered by it.
  graph: new Map(aJob().graph),
  durations: () => ({ fixedMs: (seconds * 1000) / 3, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust }),
});
const inQueue = (...jobs: readonly Job[]) => startTimes(() => jobs);

test('a waiting job starts when all before it are done', () => {
  const [first, second, third] = [waiting(0, 10), waiting(1, 20), waiting(2, 30)];
  const starts = inQueue(third, first, second);
  expect(starts.startsIn(first, 0)).toBe(0);
  expect(starts.startsIn(second, 0)! / 10_000).toBeCloseTo(1, 1);
  expect(starts.startsIn(third, 0)! / 30_000).toBeCloseTo(1, 1);
});

test('strangers before it are guessed to take as long as runs on that server took', () => {
  const job = waiting(3, 10);
  const starts = inQueue(job);
  expect(starts.startsIn(job, 0)).toBeUndefined();
  starts.took(SERVER, 20_000);
  expect(starts.startsIn(job, 0)).toBe(60_000);
});

test('nothing is told where what stands before it is not known', () => {
  const [first, second] = [waiting(0, 10, 0), waiting(1, 20)];
  expect(inQueue(first, second).startsIn(second, 0)).toBeUndefined();
  const nowhere: Job = { ...aJob(), state: aState() };
  expect(inQueue(nowhere).startsIn(nowhere, 0)).toBeUndefined();
});
