import { fuller, guessedLeftMs, interrupted, recorded, type NodeHistory } from '../../../../gateway/wire/node-history';
import type { PublicJob } from '../../../../gateway/wire/public-job';
import { job, running } from './a-job';

describe('nodes over time', () => {
  const history = (...jobs: readonly PublicJob[]): NodeHistory | undefined =>
    jobs.reduce<NodeHistory | undefined>(recorded, undefined);

  test('a job that was seen to wait is known whole: each node from its start to the next one’s', () => {
    const seen = history(
      job(),
      running('1', 2000),
      running('2', 3000),
      running('2', 3500, { node: { id: '2', type: 'Type2', value: 3, max: 4 } }),
      job({ status: 'completed', phase: 'settled', progress: 100, updatedAt: 5000, finishedAt: 4800 }),
    );
    expect(seen).toMatchObject({ began: 2000, missed: { before: false, between: false } });
    expect(seen?.turns).toEqual([
      { id: '1', type: 'Type1', from: 2000, to: 3000, value: 4, max: 4 },
      { id: '2', type: 'Type2', from: 3000, to: 4800, value: 4, max: 4 },
    ]);
  });

  test('one that ran already is not, nor one whose news stopped for a while', () => {
    expect(history(running('2', 3000))).toMatchObject({ missed: { before: true, between: false } });
    expect(interrupted(history(job(), running('1', 1))!).missed).toEqual({ before: false, between: true });
    expect(interrupted(history(job())!).missed.between).toBe(false);
  });

  test('the node that failed is marked, and added where it was not seen', () => {
    const failure = { kind: 'node_error', message: 'no', nodeId: '2', nodeType: 'Type2', retryable: false } as const;
    const end = job({ status: 'failed', phase: 'settled', updatedAt: 4000, finishedAt: 4000, failure });
    expect(history(job(), running('2', 2000), end)?.turns).toEqual([
      { id: '2', type: 'Type2', from: 2000, to: 4000, value: 1, max: 4, failed: true },
    ]);
    expect(history(job(), running('1', 2000), end)?.turns.at(-1)).toMatchObject({ id: '2', failed: true });
  });

  test('of two histories the one with fewer gaps wins, then the longer one; and states that both have count once', () => {
    const own = history(running('2', 3000), running('3', 4000))!;
    const other = history(job(), running('1', 2000), running('2', 3000), running('3', 4000), running('4', 5000))!;
    expect(fuller(undefined, own)).toBe(own);
    expect(fuller(own, other).turns).toHaveLength(4);
    expect(fuller(other, own)).toBe(other);
    expect(fuller(interrupted(other), other)).toMatchObject({ missed: { between: false } });
    expect(recorded(other, running('3', 4000))).toBe(other);
  });

  test('what was seen by looks only has gaps', () => {
    expect(history(job(), running('1', 1, { via: 'polling' }))?.missed.between).toBe(true);
  });

  test('another attempt starts anew, and a loop of thousands is cut', () => {
    expect(history(running('1', 1), running('1', 2, { attempt: 2 }))?.turns).toHaveLength(1);
    const loop = Array.from({ length: 1000 }, (_, n) => running(String(n % 2), n));
    expect(history(job(), ...loop)).toMatchObject({ dropped: 800, missed: { before: false } });
    expect(history(job(), ...loop)?.turns.at(-1)?.from).toBe(999);
  });

  test('the time left is guessed from the pace, once there is one', () => {
    const at = (progress: number, updatedAt: number) => running('1', updatedAt, { progress });
    const guess = (...jobs: readonly PublicJob[]) => guessedLeftMs(history(...jobs)!, jobs.at(-1)!);
    expect(guess(at(10, 0), at(11, 9000))).toBeUndefined();
    expect(guess(at(10, 0), at(30, 1000))).toBeUndefined();
    expect(guess(at(10, 0), at(30, 10_000))).toBe(35_000);
  });
});
