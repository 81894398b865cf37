import { faultBench } from './fault-bench';
import { faultResults } from './fault-results';
import type { Row } from '../table';
import { redisFaults } from './stores/redis/redis-faults';

/** Told in the name, so that a failure can be run again; set SEED to do so. */
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e6));

test(`[R1] [R2] [R11] [R12] whatever is killed, stopped or cut off meanwhile (seed ${seed})`, async () => {
  const targets = { writes: 1_000, killsAndStops: 4 };
  const options = { start: redisFaults, seed, ms: 45_000, targets, live: 60, everyMs: 3_000, say: () => undefined };
  const rows = await faultBench(options, faultResults);
  const isRight = ({ isMet = true, seconds }: Row): boolean => isMet || (seconds !== undefined && seconds < Infinity);
  expect(rows.filter((row) => !isRight(row))).toEqual([]);
}, 480_000);
