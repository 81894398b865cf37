import { fuzzedBoard } from '../../../bench/fuzz/fuzzed-board';
import { mutatedFrame, seeded } from '../../../bench/fuzz/mutated-frames';
import { runs } from '../../support/jest/runs';

/** Seeds that once found something stay here. */
const seeds = [1, 20_261_124];

test.each(seeds)(
  '[R9] of thousands of mutated frames none throws, and no state is what it may not be (seed %i)',
  (seed) => {
    const outcomes = fuzzedBoard(seed)(runs(2_000));
    for (const outcome of ['malformed', 'ignored', 'stepped', 'snapshot', 'previewed', 'queueLength', 'executed'])
      expect(outcomes[outcome]).toBeGreaterThan(10);
  },
);

test('a seed makes the same frames again', () => {
  const frames = (seed: number): readonly string[] => {
    const random = seeded(seed);
    return Array.from({ length: 100 }, () => mutatedFrame(random).bytes.toString('base64'));
  };
  expect(frames(7)).toEqual(frames(7));
  expect(frames(7)).not.toEqual(frames(8));
});
