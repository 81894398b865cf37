import { jittered } from '../../../streams/operators/backoff';

const waits = (random: number, attempts: readonly number[]): number[] => {
  const { delayMs } = jittered({ firstMs: 500, maxMs: 30_000, steadyMs: 10_000 }, () => random);
  return attempts.map((attempt) => delayMs(attempt));
};

test('[R10] a wait doubles up to its longest', () => {
  expect(waits(1, [1, 2, 3, 4, 5, 6, 7, 8])).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test('[R10] full jitter: any wait from nothing to that', () => {
  expect(waits(0, [1, 5])).toEqual([0, 0]);
  expect(waits(0.5, [1, 5])).toEqual([250, 4_000]);
});

test('[R10] the longest wait is not passed after a million attempts', () => {
  expect(waits(1, [1_000_000])).toEqual([30_000]);
});
