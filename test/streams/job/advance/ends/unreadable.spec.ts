import type { Job } from '../../../../../streams/job/job';
import { advance, aJob, after, anOutput, told, type Fact } from '../../a-job';
import { absent, executed, found, step, succeeded } from '../../facts';

describe('an answer about a job that cannot be read', () => {
  const unreadable: Fact = { tag: 'unreadable' };
  const read = (job: Job, ...times: readonly number[]): Job =>
    times.reduce((job, at) => advance(job, told(unreadable, at)), job);

  test('[R4] ends it after three looks over ten seconds, and no sooner', () => {
    expect(read(aJob(), 0, 1, 2, 3).state.status).not.toBe('failed');
    expect(read(aJob(), 0, 20_000).state.status).not.toBe('failed');
    expect(read(aJob(), 0, 5_100, 10_200).state).toMatchObject({
      status: 'failed',
      failure: { kind: 'missing_output', message: 'The server answers, but its answer about this job cannot be read.' },
    });
  });

  test('[R4] is none that finds it nowhere: what was counted of those begins anew', () => {
    const missed = (job: Job, ...times: readonly number[]): Job =>
      times.reduce((job, at) => advance(job, told(absent, at)), job);
    expect(missed(read(missed(aJob(), 0), 5_100), 10_200, 15_300).state.status).not.toBe('failed');
    expect(missed(read(missed(aJob(), 0), 5_100), 10_200, 15_300, 20_400).state.failure?.kind).toBe('lost');
  });

  test('is a success without its outputs where success was heard, and keeps those that frames named', () => {
    const job = after(aJob(), executed(), succeeded);
    expect(read(job, 10, 5_100, 10_200).state).toMatchObject({
      status: 'failed',
      failure: { kind: 'missing_output', message: expect.stringContaining('reported success') as string },
      outputs: [anOutput('3')],
    });
  });

  test('counts from the start again once anything else is heard of it', () => {
    for (const news of [step(1), found('running'), { tag: 'unended' } as const]) {
      const job = advance(read(aJob(), 0, 5_100), told(news, 6_000));
      expect(read(job, 10_200, 15_300).state.status).not.toBe('failed');
    }
  });

  test('never runs it twice by accident', () => {
    const state = { ...aJob().state, retry: { maxAttempts: 3, onLost: 'resubmit' as const } };
    expect(read(aJob({ state }), 0, 5_100, 10_200)).toMatchObject({ state: { status: 'failed', attempt: 1 } });
  });
});
