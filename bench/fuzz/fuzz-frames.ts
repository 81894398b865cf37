/** `npm run fuzz`: mutated frames through decoding and reduction; exits 1 on a throw or a leak. */
import { randomInt } from 'node:crypto';
import { FuzzFailure, fuzzedBoard, type Outcomes } from './fuzzed-board';
import { VALUE, commandLine } from '../../scripts/command-line';
import { heap, mib } from '../heap';
import { recordedFrames } from './mutated-frames';

const MAX_GROWTH = 20 << 20;
/** Until code is compiled and caches are filled, the heap grows for good reason. */
const WARM_UP = 20_000;

const given = commandLine('usage: npm run fuzz -- [--count 1000000] [--seed N]', { count: VALUE, seed: VALUE });
const [count, seed] = [given.number('count', 1_000_000), given.number('seed', randomInt(2 ** 31))];

function report(outcomes: Outcomes, seconds: number, before: number, after: number): void {
  const sum = Object.values(outcomes).reduce((sum, times) => sum + times, 0);
  console.log(`${count} frames in ${seconds.toFixed(1)} s, mutation included: ${Math.round(count / seconds)} a second`);
  for (const [outcome, times] of Object.entries(outcomes).sort(([, a], [, b]) => b - a))
    console.log(`  ${outcome.padEnd(12)} ${String(times).padStart(8)}  ${((100 * times) / sum).toFixed(1)} %`);
  console.log(`heap before ${mib(before)}, after ${mib(after)}: ${mib(after - before)} more`);
}

console.log(`seed ${seed}: mutations of ${recordedFrames.length} recorded frames`);
try {
  const run = fuzzedBoard(seed);
  run(WARM_UP);
  const before = heap();
  const start = performance.now();
  const outcomes = run(count);
  const seconds = (performance.now() - start) / 1_000;
  const after = heap();
  report(outcomes, seconds, before, after);
  if (after - before > MAX_GROWTH) {
    console.log(`it grew by more than ${mib(MAX_GROWTH)}`);
    process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof FuzzFailure)) throw error;
  console.log(error.message);
  console.log(error.cause);
  process.exitCode = 1;
}
