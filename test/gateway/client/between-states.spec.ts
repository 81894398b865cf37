import { betweenStates } from '../../../gateway/client';

const running = { status: 'processing', progress: 40, etaMs: 6_000 } as const;

test('a bar and its time go on at the pace that the last state promises', () => {
  expect(betweenStates(running, 0)).toEqual({ progress: 40, etaMs: 6_000 });
  expect(betweenStates(running, 500)).toEqual({ progress: 45, etaMs: 5_500 });
});

test('a bar waits for the next state, which is due within a second, while its time goes on to 0', () => {
  expect(betweenStates(running, 4_000)).toEqual({ progress: 50, etaMs: 2_000 });
  expect(betweenStates(running, 60_000)).toEqual({ progress: 50, etaMs: 0 });
});

test('a bar is never full early, nor falls', () => {
  expect(betweenStates({ ...running, progress: 99.8, etaMs: 10 }, 900).progress).toBe(99.9);
  expect(betweenStates({ ...running, progress: 99.95, etaMs: 10 }, 900).progress).toBe(99.95);
  expect(betweenStates(running, -500)).toEqual({ progress: 40, etaMs: 6_000 });
  expect(betweenStates({ ...running, etaMs: 0 }, 500)).toEqual({ progress: 40, etaMs: 0 });
});

test('what waits moves its time alone, and what has ended or tells no time, nothing', () => {
  expect(betweenStates({ status: 'queued', progress: 0, etaMs: 9_000 }, 500)).toEqual({ progress: 0, etaMs: 8_500 });
  expect(betweenStates({ status: 'processing', progress: 7 }, 500)).toEqual({ progress: 7 });
  expect(betweenStates({ status: 'completed', progress: 100, etaMs: 5 }, 500)).toEqual({ progress: 100 });
});
