import { jobOf } from '../../../streams/job/job';
import { aState, sampling } from '../job/a-job';
import { found, started, step } from '../job/facts';
import { aBoard } from './a-board';

describe('[R15] a mistake of ours at one job', () => {
  /** A board on which whatever is done to the job `a` throws. */
  const broken = () => {
    const kit = aBoard();
    kit.linked();
    const graph = new Proxy(new Map(sampling), {
      get: () => {
        throw new RangeError('too much for us');
      },
    });
    kit.take({ tag: 'opened', job: jobOf(aState({ promptId: 'a' }), { graph, accepted: true }) });
    kit.open('b');
    return kit;
  };

  test('fails that job, readably and for good, and is reported once', () => {
    const { told, board, reports } = broken();
    expect(told('a', started, step(1))).toMatchObject([
      { promptId: 'a', status: 'failed', phase: 'settled', failure: { kind: 'internal_error', retryable: false } },
    ]);
    expect(board.job('a')).toBeUndefined();
    expect(reports).toEqual(['job']);
  });

  test('ends nothing else: frames, looks and news of the session go on', () => {
    const { told, unlinked, linked, resumed, board } = broken();
    told('a', found('running'));
    expect(told('b', started, step(1)).at(-1)).toMatchObject({ promptId: 'b', status: 'processing' });
    unlinked();
    linked();
    expect(resumed('3')).toMatchObject([{ promptId: 'b', node: { id: '3' } }]);
    expect(board.jobs.size).toBe(1);
  });

  test('anywhere else is told to the board, which fails the job, known to it or not', () => {
    const { take, board, reports } = broken();
    const error = new TypeError('while posting');
    for (const promptId of ['b', 'never opened']) {
      const changes = take({ tag: 'brokeHere', state: aState({ promptId }), error, at: 5 });
      expect(changes).toMatchObject([{ state: { promptId, failure: { kind: 'internal_error' } } }]);
    }
    expect([board.jobs.size, reports]).toEqual([1, ['job', 'job']]);
  });
});
