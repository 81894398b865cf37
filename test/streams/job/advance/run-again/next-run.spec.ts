import { runIdOf } from '../../../../../streams/job/job-state';
import { SERVER, anOutput } from '../../a-job';
import { absent, accepted, broke, ended, executed, found, posting, started, step, succeeded } from '../../facts';
import { aRetried, resubmit } from './a-retried';

const ELSEWHERE = 'http://elsewhere';

describe('the next run', () => {
  const posted = (clientId = 'c', serverUrl = SERVER) => {
    const kit = aRetried(resubmit);
    kit.told('p', started, step(6), broke('out_of_memory'), posting('r2', clientId, serverUrl));
    return kit;
  };

  test('is of the job, under an id, a session and a server of its own', () => {
    const { last, board } = posted('d', ELSEWHERE);
    expect(last()).toMatchObject({ promptId: 'p', runId: 'r2', clientId: 'd', serverUrl: ELSEWHERE, attempt: 2 });
    expect(board.run('r2')?.state.promptId).toBe('p');
    expect(board.job('p')?.linked).toBe(false);
  });

  test('is not looked for until its server took it, then there and nowhere else', () => {
    const { told, board } = posted('d', ELSEWHERE);
    expect(board.due(ELSEWHERE, 1e12)).toEqual([]);
    told('r2', accepted());
    expect(board.due(ELSEWHERE, 1e12).map(({ state }) => runIdOf(state))).toEqual(['r2']);
    expect(board.due(SERVER, 1e12)).toEqual([]);
  });

  test('[R5] is told of by its own frames and looks; those of the run before are nobody’s', () => {
    const { told, last, board } = posted();
    const before = board.job('p');
    expect(told('p', started, step(9), executed(), succeeded, broke('node_error'), absent, found('running'))).toEqual(
      [],
    );
    expect(board.job('p')).toBe(before);
    told('r2', started, step(9), executed(), succeeded);
    expect(last()).toMatchObject({ promptId: 'p', status: 'completed', progress: 100, attempt: 2, runId: 'r2' });
  });

  test('[R6] is looked up once after its session’s socket is open anew, and its old session is not asked', () => {
    const { told, take, board } = posted('d', ELSEWHERE);
    told('r2', accepted());
    take({ tag: 'linked', clientId: 'd', at: 50 });
    expect(board.due(ELSEWHERE, 50)).toHaveLength(1);
    told('r2', started);
    const before = board.job('p');
    take({ tag: 'unlinked', clientId: 'c', at: 60, clean: false });
    expect(board.job('p')).toBe(before);
  });

  test('[R2] does not take progress back, nor stay where the run before was', () => {
    const { told, last } = posted();
    const { progress } = last();
    told('r2', started, step(1));
    expect(last()).toMatchObject({ node: { value: 1 } });
    expect(last().progress).toBeGreaterThanOrEqual(progress);
    told('r2', step(9));
    expect(last().progress).toBeGreaterThanOrEqual(progress);
  });

  test('[R3] has outputs of its own only', () => {
    const { told, last } = posted();
    told('r2', started, { tag: 'executed', nodeId: '3', outputs: [anOutput('3', 'second.png')] }, succeeded);
    expect(last().outputs).toEqual([anOutput('3', 'second.png')]);
  });

  test('[R4] is lost after looks of its own', () => {
    const { told, lose, last } = posted();
    told('r2', accepted());
    told('p', absent, absent, absent);
    lose('p');
    expect(last()).toMatchObject({ status: 'queued', attempt: 2 });
    lose('r2');
    expect(last()).toMatchObject({ status: 'queued', attempt: 3 });
  });

  test('[R13] shows its previews as the job’s', () => {
    const { told, take } = posted();
    told('r2', started);
    const previewed = (promptId?: string) =>
      take({
        tag: 'previewed',
        clientId: 'c',
        at: 9,
        nodeId: '2',
        mimeType: 'image/png',
        image: new Uint8Array(1),
        ...(promptId !== undefined && { promptId }),
      });
    expect(previewed('r2')).toMatchObject([{ tag: 'preview', preview: { promptId: 'p', nodeId: '2' } }]);
    expect(previewed()).toMatchObject([{ tag: 'preview', preview: { promptId: 'p' } }]);
    expect(previewed('p')).toEqual([]);
  });

  test('[R5] a frame without a job is of the present run', () => {
    const { told, take, last } = posted();
    told('r2', started);
    take({ tag: 'resumed', clientId: 'c', nodeId: '2', at: 9 });
    expect(last()).toMatchObject({ promptId: 'p', runId: 'r2', node: { id: '2' } });
  });

  test('goes by the id that an old server gives it, and the job keeps its own', () => {
    const { told, take, last, board } = posted();
    told('theirs', started, step(2));
    take({ tag: 'accepted', promptId: 'r2', runId: 'theirs', postedAt: 0, at: 9 });
    expect(last()).toMatchObject({ promptId: 'p', runId: 'theirs', status: 'processing' });
    expect(board.run('r2')).toBeUndefined();
    expect(told('r2', executed(), succeeded)).toEqual([]);
    told('theirs', executed(), ended());
    expect(last()).toMatchObject({ promptId: 'p', status: 'completed' });
    expect(board.run('theirs')).toBeUndefined();
  });

  test('of a job that had a run under a server’s own id is addressed by its own', () => {
    const { told, take, last, reruns } = aRetried(resubmit);
    take({ tag: 'accepted', promptId: 'p', runId: 'q', postedAt: 0, at: 1 });
    told('q', started, broke('out_of_memory'));
    told('p', posting('r2'));
    expect(reruns()).toEqual(['out_of_memory']);
    expect(last()).toMatchObject({ promptId: 'p', runId: 'r2', attempt: 2 });
  });

  test('taken up by another instance is told of by the run’s id from there on', () => {
    const { told, last } = aRetried(resubmit, { attempt: 2, runId: 'r2', epoch: 9 });
    expect(told('p', started)).toEqual([]);
    told('r2', started, executed(), ended());
    expect(last()).toMatchObject({ promptId: 'p', status: 'completed', attempt: 2 });
  });
});
