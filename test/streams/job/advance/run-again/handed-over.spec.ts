import { from } from 'rxjs';
import type { JobState } from '../../../../../streams/job/job-state';
import { neverBackward } from '../../../../../streams/operators/never-backward';
import { aState } from '../../a-job';

describe('[R11] across a hand-over, a watcher', () => {
  const seenOf = (...states: readonly JobState[]): readonly JobState[] => {
    const seen: JobState[] = [];
    from(states)
      .pipe(neverBackward())
      .subscribe((state) => seen.push(state));
    return seen;
  };
  const at = (epoch: number, seq: number, more: Partial<JobState> = {}) => aState({ epoch, seq, ...more });

  test('[R2] is shown no older owner’s word, and no less progress', () => {
    const running = { status: 'processing', progress: 60 } as const;
    const seen = seenOf(
      at(1, 9, running),
      at(5, 7, { ...running, progress: 40 }),
      at(1, 10, { ...running, progress: 90 }),
      at(5, 8, { ...running, progress: 61 }),
    );
    expect(seen.map(({ epoch, seq, progress }) => [epoch, seq, progress])).toEqual([
      [1, 9, 60],
      [5, 7, 60],
      [5, 8, 61],
    ]);
  });

  test('does not see a running job wait again, in the same attempt', () => {
    const seen = seenOf(
      at(1, 9, { status: 'processing', attempt: 2, runId: 'r2' }),
      at(5, 7, { attempt: 2, runId: 'r2' }),
      at(5, 8, { status: 'processing', attempt: 2, runId: 'r2' }),
    );
    expect(seen.map(({ seq }) => seq)).toEqual([9, 8]);
  });

  test('follows an owner that knows less of an attempt that it saw fail, and not back to that attempt', () => {
    const running = { status: 'processing', progress: 30 } as const;
    const seen = seenOf(
      at(1, 9, { ...running, attempt: 2 }),
      at(5, 6, { attempt: 1 }),
      at(5, 7, { ...running, attempt: 1 }),
      at(5, 8, { status: 'completed', progress: 100, attempt: 1 }),
    );
    expect(seen.map(({ seq, status, attempt }) => [seq, status, attempt])).toEqual([
      [9, 'processing', 2],
      [7, 'processing', 2],
      [8, 'completed', 2],
    ]);
  });
});
