import { runOfJob } from '../../../../streams/job/job';
import { aFailure, finished, running } from '../../job/a-job';
import { ended, executed, started, step, succeeded } from '../../job/facts';
import { aBoard } from '../a-board';

describe('whose news it is', () => {
  test('[R5] a frame changes the job it names and no other', () => {
    const { open, told, board } = aBoard();
    open('a');
    open('b');
    expect(told('a', started).map(({ promptId }) => promptId)).toEqual(['a']);
    expect(board.job('b')?.state.status).toBe('queued');
  });

  test('[R5] a frame without a job is of this session’s running job', () => {
    const { open, told, resumed } = aBoard();
    open('a');
    open('b');
    told('a', started);
    expect(resumed('2')).toMatchObject([{ promptId: 'a', node: { id: '2' } }]);
  });

  test('[R5] a frame without a job is of none where no job runs, or two may', () => {
    const { open, told, resumed } = aBoard();
    open('a');
    open('b');
    expect(resumed('2')).toEqual([]);
    told('a', started);
    told('b', started);
    expect(resumed('2')).toEqual([]);
  });

  test('[R5] a frame without a job is of no other session’s job', () => {
    const { open, told, resumed } = aBoard();
    open('a', { clientId: 'other' });
    told('a', started);
    expect(resumed('2')).toEqual([]);
  });

  test('news that changes nothing is no change', () => {
    const { open, told } = aBoard();
    open('a');
    expect(told('a', started, started, step(1), step(1))).toHaveLength(2);
  });

  test('a settled job is gone from the board', () => {
    const { open, told, board, due } = aBoard();
    open('a');
    told('a', started, executed(), succeeded);
    expect(board.jobs.size).toBe(0);
    expect(due(1e9)).toEqual([]);
    expect(told('a', step(2), ended())).toEqual([]);
  });

  test('a released job is watched no longer', () => {
    const { open, told, take, board } = aBoard();
    open('a');
    take({ tag: 'released', promptId: 'a' });
    expect(board.job('a')).toBeUndefined();
    expect(told('a', started)).toEqual([]);
  });

  test('[R2] a job that is taken up twice does not start again', () => {
    const { open, told, board } = aBoard();
    open('a');
    told('a', started, step(5));
    const before = board.job('a');
    expect(open('a', { epoch: 99 })).toEqual([]);
    expect(board.job('a')).toBe(before);
  });
});

test('ten thousand events do not make the board grow', () => {
  const { board, open, told, queueLength, heard, previewed } = aBoard();
  open('kept');
  // Eight each.
  for (let event = 0; event < 1_500; event++) {
    const id = String(event);
    if (event % 10 === 0) open(id);
    told(id, started, step(event % 10), { tag: 'snapshot', nodes: [finished('1'), running('2', event % 10, 10)] });
    told('kept', step(event % 10));
    told(id, event % 3 === 0 ? ended() : { tag: 'broke', failure: aFailure('node_error') });
    queueLength(event % 7);
    heard();
    previewed({ promptId: id, nodeId: '2' });
  }
  expect([...board.jobs.keys()]).toEqual(['kept']);
  expect(runOfJob(board.job('kept')!)?.nodes.size()).toBe(1);
  expect(board.session('unheard')).toBeUndefined();
});
