import { abandoned, accepted, executed, posting, started, step, succeeded } from '../../facts';
import { aRetried, resubmit, three } from './a-retried';

describe('a server that stays away', () => {
  test('gives a job up to another where its policy says so', () => {
    const { told, last, reruns } = aRetried(resubmit);
    told('p', started, step(6), abandoned);
    expect(last()).toMatchObject({ status: 'queued', attempt: 2 });
    expect(reruns()).toEqual(['lost']);
  });

  test.each([undefined, three, { maxAttempts: 1, onLost: 'resubmit' as const }])(
    '[R4] changes nothing for a job with the policy %j',
    (retry) => {
      const { told, reruns, board } = aRetried(retry);
      told('p', started, step(6));
      expect(told('p', abandoned)).toEqual([]);
      expect(board.job('p')?.state).toMatchObject({ status: 'processing', attempt: 1 });
      expect(reruns()).toEqual([]);
    },
  );

  test('does not fail a job that has had its last attempt: the server may be back', () => {
    const { told, last, board } = aRetried({ maxAttempts: 2, onLost: 'resubmit' });
    told('p', abandoned, posting('r2'));
    told('r2', accepted(), started);
    expect(told('p', abandoned)).toEqual([]);
    expect(board.job('p')?.state).toMatchObject({ status: 'processing', attempt: 2 });
    told('r2', executed(), succeeded);
    expect(last()).toMatchObject({ status: 'completed', attempt: 2 });
  });
});
