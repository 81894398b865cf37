import { join } from 'node:path';
import { accuracyOf, distance } from '../../../scripts/accuracy/accuracy';
import { recordingAt, recordingsIn } from '../../../scripts/recording/recording-files';

const RECORDINGS = join(__dirname, '../../recordings');
const LONG = join(RECORDINGS, 'long');
const named = (graph: string, n: number): string => join(LONG, `${graph}.${n}.jsonl`);
const measured = (file: string, learn: readonly string[] = []) => accuracyOf(file, recordingAt(file), learn);

describe('the distance of a bar from the time', () => {
  test('is nothing where it is the time itself, as finely as it is told', () => {
    const curve = Array.from({ length: 1_000 }, (_, n): [number, number] => [n, n / 10]);
    expect(distance(curve, 0, 1_000).mean).toBeCloseTo(0.05, 3);
  });

  test('is a quarter on average where it stands in the middle, and half at most', () => {
    expect(distance([[0, 50]], 0, 1_000)).toEqual({ mean: 25, max: 50 });
  });

  test('is half on average where nothing is told', () => {
    expect(distance([], 0, 1_000)).toEqual({ mean: 50, max: 100 });
    expect(distance([[2_000, 100]], 0, 1_000)).toEqual({ mean: 50, max: 100 });
  });
});

test('[R2] no bar of a recording steps back, or is over before its end', () => {
  const all = recordingsIn([RECORDINGS]).flatMap((file) => measured(file));
  expect(all.length).toBeGreaterThan(20);
  for (const { file, stepsBack, over100 } of all) expect([file, stepsBack, over100]).toEqual([file, 0, 0]);
});

test.each(['image-to-video', 'two-upscales'])(
  '%s: nothing stalls for a tenth of it, with or without earlier runs',
  (graph) => {
    for (const learn of [[], [named(graph, 2), named(graph, 3)]]) {
      const [{ stallSeconds, seconds } = { stallSeconds: Infinity, seconds: 0 }] = measured(named(graph, 1), learn);
      expect(stallSeconds).toBeLessThan(Math.max(10, seconds / 10));
    }
  },
);

test.each(['image-to-video', 'two-upscales'])(
  '%s: the bar is the time within 3 points, and the ETA within a tenth, after two earlier runs',
  (graph) => {
    const [run] = measured(named(graph, 1), [named(graph, 2), named(graph, 3)]);
    expect(run?.mean).toBeLessThan(3);
    expect(run?.eta?.median).toBeLessThan(0.1);
  },
);

test('without earlier runs it is nearer to the time, by and large, than what is in use elsewhere', () => {
  const runs = recordingsIn([LONG]).flatMap((file) => measured(file));
  const sum = (of: (run: (typeof runs)[number]) => number): number => runs.reduce((total, run) => total + of(run), 0);
  for (const name of Object.keys(runs[0]?.elsewhere ?? {}))
    expect(sum(({ mean }) => mean)).toBeLessThan(sum(({ elsewhere }) => elsewhere[name] ?? 0));
});

test.each([
  ['0.3.30', 'previews-legacy', 3],
  ['0.3.30', 'drop-and-resume', 3],
  ['0.3.30', 'two-samplers-two-outputs', 2],
])('%s/%s: the bar of a short run is the time within %s points after an earlier run', (version, scenario, points) => {
  const file = join(RECORDINGS, version, `${scenario}.jsonl`);
  const [run] = measured(file, [file]);
  expect(run?.mean).toBeLessThan(points);
});
