import { faultBench } from './fault-bench';
import { faultResults } from './fault-results';

jest.setTimeout(150_000);

/** Told in the name, so that a failure can be run again; set SEED to do so. */
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e6));

test(`[R1] [R2] [R11] [R12] whatever is killed, stopped or cut off meanwhile (seed ${seed})`, async () => {
  const options = { seed, ms: 22_000, live: 45, everyMs: 2_500, say: () => undefined };
  const rows = await faultBench(options, (run) => faultResults(run, { writes: 500, killsAndStops: 3 }));
  expect(rows.filter(({ isMet }) => isMet === false)).toEqual([]);
});
