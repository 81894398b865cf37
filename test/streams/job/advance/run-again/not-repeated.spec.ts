import type { FailureKind } from '../../../../../streams/job/job-state';
import { aFailure } from '../../a-job';
import { abandoned, accepted, broke, cancelAsked, ended, posting, refused, started, succeeded } from '../../facts';
import { aRetried, resubmit, three } from './a-retried';

describe('a run that failed and is not repeated', () => {
  test.each<FailureKind>(['node_error', 'interrupted'])('%s', (kind) => {
    for (const fact of [broke(kind), ended(kind)]) {
      const { told, last, reruns } = aRetried(resubmit);
      told('p', started, fact);
      expect(last()).toMatchObject({ status: 'failed', attempt: 1, failure: { kind } });
      expect(reruns()).toEqual([]);
    }
  });

  test.each<FailureKind>(['rejected', 'unreachable', 'cancelled', 'out_of_memory', 'lost'])(
    '[R10] refused as %s, in the first run or a later one',
    (kind) => {
      const { told, last } = aRetried(resubmit);
      told('p', refused(kind));
      expect(last()).toMatchObject({ status: 'failed', attempt: 1, failure: { kind } });
      const later = aRetried(resubmit);
      later.told('p', broke('out_of_memory'), posting('r2'), refused(kind));
      expect(later.last()).toMatchObject({ status: 'failed', attempt: 2, failure: { kind } });
      expect(later.reruns()).toEqual(['out_of_memory']);
    },
  );

  test('lost, where only memory is tried again', () => {
    const { lose, last, reruns } = aRetried(three);
    lose('p');
    expect(last()).toMatchObject({ status: 'failed', attempt: 1, failure: { kind: 'lost' } });
    expect(reruns()).toEqual([]);
  });

  test('anything, where there is no policy or one of a single run', () => {
    for (const retry of [undefined, { maxAttempts: 1, onLost: 'resubmit' as const }]) {
      for (const end of ['out_of_memory', 'lost'] as const) {
        const { told, lose, last, reruns } = aRetried(retry);
        if (end === 'lost') lose('p');
        else told('p', broke(end));
        expect(last()).toMatchObject({ status: 'failed', attempt: 1, failure: { kind: end } });
        expect(reruns()).toEqual([]);
      }
    }
  });

  test('[R3] a success whose outputs are nowhere', () => {
    const { told, last, lose, reruns, take } = aRetried(resubmit);
    told('p', started);
    take({ tag: 'garbled', clientId: 'c', at: 2 });
    told('p', succeeded);
    lose('p');
    expect(last()).toMatchObject({ status: 'failed', failure: { kind: 'missing_output' } });
    expect(reruns()).toEqual([]);
  });

  test('the last that it may have: it settles with what that one failed of', () => {
    const { told, lose, last, reruns, board } = aRetried(resubmit);
    told('p', broke('out_of_memory'), posting('r2'));
    told('r2', accepted());
    lose('r2');
    told('p', posting('r3'));
    told('r3', accepted(), started, broke('out_of_memory'));
    expect(last()).toMatchObject({ status: 'failed', phase: 'settled', attempt: 3, runId: 'r3' });
    expect(last().failure).toEqual(aFailure('out_of_memory', '2'));
    expect(reruns()).toEqual(['out_of_memory', 'lost']);
    expect(board.jobs.size).toBe(0);
  });

  test('one that was asked to stop', () => {
    const { told, lose, last, reruns } = aRetried(resubmit);
    told('p', started, cancelAsked, abandoned);
    expect(last()).toMatchObject({ status: 'processing', attempt: 1 });
    lose('p');
    expect(last()).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
    expect(reruns()).toEqual([]);
  });
});
