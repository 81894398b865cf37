import type { BoardEvent } from '../../../../streams/board/board';
import { jobOf } from '../../../../streams/job/job';
import { aState, sampling } from '../../job/a-job';
import { executed, started, step, succeeded } from '../../job/facts';
import { aBoard } from '../a-board';

describe('frames before the answer to the post', () => {
  test('are kept for a job that is not known yet', () => {
    const { open, told, board } = aBoard();
    expect(told('a', started, step(5))).toEqual([]);
    expect(open('a').map(({ status }) => status)).toEqual(['queued', 'processing', 'processing']);
    expect(board.job('a')?.state.node?.value).toBe(5);
  });

  const posted = (promptId: string): BoardEvent => ({
    tag: 'opened',
    job: jobOf(aState({ promptId }), { graph: sampling }),
  });
  const taken = (promptId: string, runId: string): BoardEvent => ({
    tag: 'accepted',
    promptId,
    runId,
    postedAt: 0,
    at: 9,
  });

  test('are kept for the id that an old server gives a job, which keeps its own', () => {
    const { told, take, linked, board } = aBoard();
    linked();
    take(posted('ours'));
    told('theirs', started, executed());
    const changes = take(taken('ours', 'theirs'));
    expect(changes[0]).toMatchObject({ state: { promptId: 'ours', runId: 'theirs', status: 'queued', updatedAt: 9 } });
    expect(changes.at(-1)).toMatchObject({ state: { promptId: 'ours', runId: 'theirs', status: 'processing' } });
    expect([...board.jobs.keys()]).toEqual(['ours']);
    expect(told('theirs', succeeded)).toMatchObject([{ promptId: 'ours', status: 'completed' }]);
  });

  test('a look tells an old server’s id as well, where the answer to the post was lost', () => {
    const { told, take, board } = aBoard();
    take(posted('ours'));
    expect(told('ours', { tag: 'found', where: 'running', runId: 'theirs' })).toMatchObject([
      { promptId: 'ours', runId: 'theirs', status: 'processing' },
    ]);
    expect(board.run('theirs')?.state.promptId).toBe('ours');
    expect(board.run('ours')).toBeUndefined();
  });

  test.each(['other', 'another', 'theirs of other', 'a/b', 'a\r\nb', 'x'.repeat(201), ''])(
    '[R13] an id that is another job’s, or none of ComfyUI’s, is not believed: %j',
    (runId) => {
      const { told, take, board, reports } = aBoard();
      take(posted('other'));
      take(taken('other', 'theirs of other'));
      take(posted('another'));
      take(posted('ours'));
      take(taken('ours', runId));
      expect(reports).toEqual(['run id']);
      expect(board.job('ours')?.state.runId).toBeUndefined();
      told('theirs of other', started);
      expect(board.job('other')?.state.status).toBe('processing');
      expect(board.job('ours')?.state.status).toBe('queued');
    },
  );

  test('[R3] do not count as the whole where the socket was lost among them', () => {
    const { told, take, linked, unlinked, board } = aBoard();
    linked();
    take(posted('ours'));
    told('theirs', started);
    unlinked();
    linked();
    take(taken('ours', 'theirs'));
    expect(board.job('ours')?.stage).toMatchObject({ tag: 'watched', whole: false });
    expect(told('theirs', executed(), succeeded).at(-1)?.status).toBe('processing');
  });

  test('[R3] nor where one could not be read', () => {
    const { open, told, garbled, linked, board } = aBoard();
    linked();
    told('a', started);
    garbled();
    open('a');
    expect(board.job('a')?.stage).toMatchObject({ tag: 'watched', whole: false });
  });
});
