import { aFailure } from '../../job/a-job';
import { cancelAsked, ended, posting, started, step, succeeded } from '../../job/facts';
import { aBoard } from '../a-board';

describe('a job that runs again', () => {
  /** A board with a job whose first run ran out of memory, and what changed by that. */
  const failedOnce = () => {
    const kit = aBoard();
    kit.linked();
    kit.open('a', { retry: { maxAttempts: 3 } });
    kit.told('a', started);
    const again = kit.take({ tag: 'broke', promptId: 'a', at: 0, failure: aFailure('out_of_memory') });
    return { ...kit, again };
  };

  test('says so once', () => {
    const { again, take } = failedOnce();
    expect(again).toMatchObject([
      { tag: 'state', state: { status: 'queued', attempt: 2 } },
      { tag: 'runAgain', promptId: 'a', failure: { kind: 'out_of_memory' } },
    ]);
    expect(take({ tag: 'broke', promptId: 'a', at: 0, failure: aFailure('out_of_memory') })).toEqual([]);
  });

  test('[R5] hears of its present run, by that run’s id, and of no other', () => {
    const { told, board } = failedOnce();
    told('a', posting('r2'));
    expect(board.run('r2')?.state.promptId).toBe('a');
    expect(board.run('a')).toBeUndefined();
    expect(told('a', started, succeeded, ended())).toEqual([]);
    expect(told('r2', started)).toMatchObject([{ promptId: 'a', status: 'processing' }]);
  });

  test('is cancelled by its own id, whichever run it is in', () => {
    const { told, board } = failedOnce();
    told('a', posting('r2'));
    told('a', cancelAsked);
    expect(board.job('a')?.stage).toEqual({ tag: 'posting', cancelAsked: true });
  });

  test('hears what its run said before it was known', () => {
    const { told } = failedOnce();
    told('a', posting('r2'));
    told('r9', started, step(3));
    const adopted = failedOnce();
    adopted.told('a', posting('r2'));
    adopted.told('r9', started, step(3));
    expect(adopted.take({ tag: 'accepted', promptId: 'r2', runId: 'r9', postedAt: 0, at: 1 }).at(-1)).toMatchObject({
      state: { promptId: 'a', runId: 'r9', status: 'processing', node: { value: 3 } },
    });
  });

  test('keeps its previews to its present run', () => {
    const { told, previewed } = failedOnce();
    told('a', posting('r2'));
    expect(previewed({ promptId: 'r2', nodeId: '2' })).toMatchObject([{ preview: { promptId: 'a' } }]);
    expect(previewed({ promptId: 'a', nodeId: '2' })).toEqual([]);
  });

  test('is linked as the session is that it is posted under', () => {
    const { told, board } = failedOnce();
    told('a', posting('r2', 'elsewhere'));
    expect(board.job('a')?.linked).toBe(false);
    const here = failedOnce();
    here.told('a', posting('r2'));
    expect(here.board.job('a')?.linked).toBe(true);
  });

  test('leaves nothing behind when it settles', () => {
    const { told, board } = failedOnce();
    told('a', posting('r2'));
    told('r2', ended());
    expect(board.jobs.size).toBe(0);
    expect(board.run('r2')).toBeUndefined();
  });
});
