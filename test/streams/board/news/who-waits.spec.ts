import { aFailure } from '../../job/a-job';
import { cancelAsked, started } from '../../job/facts';
import { aBoard } from '../a-board';

describe('whoever waits for a job', () => {
  /** What happened to these, by what the board held when it was told. */
  const watching = (kit: ReturnType<typeof aBoard>, key: string, seen: () => unknown): unknown[] => {
    const told: unknown[] = [];
    kit.board.changed(key).subscribe(() => told.push(seen()));
    return told;
  };

  test('is told that the socket of its session opened, and of no other', () => {
    const kit = aBoard();
    kit.open('a');
    kit.open('b', { clientId: 'another' });
    const ours = watching(kit, 'a', () => kit.board.session('c')?.open);
    const others = watching(kit, 'b', () => 'told');
    kit.linked();
    expect([ours, others]).toEqual([[true], []]);
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
