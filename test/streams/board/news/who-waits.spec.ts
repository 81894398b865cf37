import { SERVER, aFailure } from '../../job/a-job';
import { cancelAsked, started } from '../../job/facts';
import { aBoard } from '../a-board';

describe('whoever waits for a job', () => {
  /** What happened to these, by what the board held when it was told. */
  const watching = (kit: ReturnType<typeof aBoard>, promptId: string, seen: () => unknown): unknown[] => {
    const told: unknown[] = [];
    kit.board.changed(promptId).subscribe(() => told.push(seen()));
    return told;
  };

  test('is told that the socket of the job opened, posted or not, and of no other', () => {
    const kit = aBoard();
    kit.open('posted', { clientId: 'c' });
    kit.open('to be posted', { clientId: 'c' }, false);
    kit.open('of another', { clientId: 'another' });
    const isOpen = (): unknown => kit.board.session('c')?.open;
    const told = ['posted', 'to be posted', 'of another'].map((promptId) => watching(kit, promptId, isOpen));
    kit.linked();
    expect(told).toEqual([[true], [true], []]);
  });

  test('is told of what happened to the job once it is wholly taken in', () => {
    const kit = aBoard();
    const stages = watching(kit, 'a', () => kit.board.job('a')?.stage.tag);
    kit.open('a');
    kit.told('a', cancelAsked, started, { tag: 'broke', failure: aFailure('node_error') });
    expect(stages).toEqual(['watched', 'watched', 'watched', undefined]);
  });

  test('is told that the job is another’s now', () => {
    const kit = aBoard();
    kit.open('a');
    const jobs = watching(kit, 'a', () => kit.board.job('a'));
    kit.take({ tag: 'released', promptId: 'a' });
    expect(jobs).toEqual([undefined]);
  });
});

test('a job that has ended, or is another’s now, counts nowhere any more', () => {
  const { board, open, told, take } = aBoard();
  const more = { userId: 'ada', clientId: 'c', retry: { maxAttempts: 2, onLost: 'resubmit' as const }, deadlineAt: 5 };
  for (const promptId of ['ends', 'goes']) open(promptId, more);
  const counts = () => [
    board.countOfUser('ada'),
    board.nodesOfUser('ada') > 0,
    board.countOfSession('c'),
    board.countOf(SERVER),
    board.mayRunAgain(SERVER).length,
    board.overdue(10).length,
  ];
  expect(counts()).toEqual([2, true, 2, 2, 2, 2]);
  told('ends', started, { tag: 'broke', failure: aFailure('node_error') });
  take({ tag: 'released', promptId: 'goes' });
  expect(counts()).toEqual([0, false, 0, 0, 0, 0]);
});
