import { type Fact } from '../../a-job';
import {
  abandoned,
  absent,
  accepted,
  broke,
  cancelAsked,
  ended,
  executed,
  found,
  posting,
  refused,
  started,
  step,
  succeeded,
} from '../../facts';
import { aRetried, resubmit } from './a-retried';

describe('between two runs', () => {
  const between = () => {
    const kit = aRetried(resubmit);
    kit.told('p', started, step(6), executed(), broke('out_of_memory'));
    return kit;
  };

  test.each<Fact>([
    started,
    step(9),
    { tag: 'snapshot', nodes: [] },
    { tag: 'executing', nodeId: '3' },
    { tag: 'cached', nodeIds: ['1'] },
    executed(),
    succeeded,
    broke('node_error'),
    found('running'),
    found('pending', 4),
    ended(),
    ended('out_of_memory'),
    absent,
    accepted(),
    abandoned,
  ])('[R3] $tag of the last run changes nothing', (fact) => {
    const { told, board } = between();
    const before = board.job('p');
    expect(told('p', fact)).toEqual([]);
    expect(board.job('p')).toBe(before);
  });

  test('a cancel ends it, and nothing is posted', () => {
    const { told, last, board } = between();
    told('p', cancelAsked);
    expect(last()).toMatchObject({ status: 'failed', attempt: 2, failure: { kind: 'cancelled' } });
    expect(board.jobs.size).toBe(0);
    expect(told('p', posting('r2'))).toEqual([]);
  });

  test('a run that cannot be made ends it with what the last one failed of', () => {
    const { told, last } = between();
    told('p', refused('out_of_memory'));
    expect(last()).toMatchObject({ status: 'failed', attempt: 2, failure: { kind: 'out_of_memory' } });
  });

  test('a job may be let go, and leaves nothing behind', () => {
    const { take, board, told } = between();
    take({ tag: 'released', promptId: 'p' });
    expect(board.jobs.size).toBe(0);
    expect(told('p', posting('r2'))).toEqual([]);
  });
});
