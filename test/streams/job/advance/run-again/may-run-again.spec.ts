import { advance, aFailure, aJob, after, anOutput, aState, told, type Fact } from '../../a-job';
import { absences, absent, broke, cancelAsked, executed, found, started, step, succeeded } from '../../facts';
import { nextLookAtOf } from '../../../../../streams/job/advance/next-look';

describe('a job that may run again', () => {
  const retry = { maxAttempts: 2, onLost: 'resubmit' as const };
  const mayRunAgain = aJob({ state: aState({ retry }) });
  const posting: Fact = { tag: 'posting', runId: 'r2', clientId: 'd', serverUrl: 'http://elsewhere' };
  const outOfMemory = broke('out_of_memory');

  test('waits for its next run when the last ran out of memory', () => {
    const job = after(mayRunAgain, started, step(5), outOfMemory);
    expect(job.state).toMatchObject({ status: 'queued', phase: 'waiting', attempt: 2 });
    expect(job.state).not.toHaveProperty('failure');
    expect(job.state).not.toHaveProperty('node');
    expect(job.stage).toMatchObject({ tag: 'betweenRuns', failure: { kind: 'out_of_memory' } });
    expect(nextLookAtOf(job)).toBe(Number.POSITIVE_INFINITY);
  });

  test('[R4] waits for its next run when the last was lost, where it may', () => {
    expect(absences(mayRunAgain, 0, 5_100, 10_200).state).toMatchObject({ status: 'queued', attempt: 2 });
    const mayNot = aJob({ state: aState({ retry: { maxAttempts: 2 } }) });
    expect(absences(mayNot, 0, 5_100, 10_200).state.failure?.kind).toBe('lost');
  });

  test.each(['node_error', 'interrupted'] as const)('is not run again after %s', (kind) => {
    expect(after(mayRunAgain, broke(kind)).state).toMatchObject({ status: 'failed', failure: { kind } });
  });

  test('[R10] is not run again once it was refused', () => {
    const job = after(mayRunAgain, { tag: 'refused', failure: aFailure('rejected') });
    expect(job.state).toMatchObject({ status: 'failed', attempt: 1 });
  });

  test('is not run again more often than it may', () => {
    const second = after(mayRunAgain, outOfMemory, posting, { tag: 'accepted', postedAt: 1 }, started);
    expect(second.state).toMatchObject({ status: 'processing', attempt: 2, runId: 'r2', clientId: 'd' });
    expect(after(second, outOfMemory).state).toMatchObject({ status: 'failed', failure: { kind: 'out_of_memory' } });
  });

  test('is not run again once a cancel was asked for, before the end or after', () => {
    const before = after(mayRunAgain, cancelAsked, outOfMemory);
    expect(before.state).toMatchObject({ status: 'failed', failure: { kind: 'out_of_memory' } });
    const later = after(mayRunAgain, outOfMemory, cancelAsked);
    expect(later.state).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
  });

  test('[R2] does not fall back while it starts from the first', () => {
    const first = after(mayRunAgain, started, step(8));
    const second = after(first, outOfMemory, posting, started, step(1));
    expect(second.state.progress).toBeGreaterThanOrEqual(first.state.progress);
  });

  test.each<Fact>([step(9), succeeded, { tag: 'ended', outcome: [] }, absent, found('running'), started])(
    '[R3] between two runs $tag says nothing',
    (fact) => {
      const between = after(mayRunAgain, started, executed('3'), outOfMemory);
      expect(advance(between, told(fact, 99))).toBe(between);
    },
  );

  test('[R3] takes no outputs over from the run before', () => {
    const second = after(mayRunAgain, started, executed('3'), outOfMemory, posting, started, executed('4'), succeeded);
    expect(second.state.outputs).toEqual([anOutput('4')]);
  });

  test('of a server that stays away is run elsewhere, where it may', () => {
    expect(after(mayRunAgain, started, { tag: 'abandoned' })).toMatchObject({
      state: { status: 'queued', attempt: 2 },
      stage: { tag: 'betweenRuns', failure: { kind: 'lost' } },
    });
    const once = after(aJob(), started);
    expect(advance(once, told({ tag: 'abandoned' }))).toBe(once);
  });
});
