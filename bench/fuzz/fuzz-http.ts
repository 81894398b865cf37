/** `npm run fuzz:http`: requests made from the OpenAPI document; exits 1 on a 5xx, a wrong answer or a leak. */
import { randomInt } from 'node:crypto';
import { runningGateway } from '../../test/gateway/support/running-gateway';
import { testAuth } from '../../test/gateway/support/admission/tokens';
import { fuzzedHttp, HttpFuzzFailure } from './fuzzed-http';
import { VALUE, commandLine } from '../../scripts/command-line';
import { mib, settledHeap } from '../heap';

const MAX_GROWTH = 20 << 20;
/** Until code is compiled and caches are filled, the heap grows for good reason. */
const WARM_UP = 500;
const QUIET_MS = 500;

const given = commandLine('usage: npm run fuzz:http -- [--count 2000] [--seed N]', { count: VALUE, seed: VALUE });
const [count, seed] = [given.number('count', 2000), given.number('seed', randomInt(2 ** 31))];

async function main(): Promise<void> {
  const gateway = await runningGateway({
    auth: testAuth,
    comfyUI: { timeScale: 0.02 },
    rates: { requestsPerMinute: 0 },
  });
  try {
    console.log(`seed ${seed}: requests made from the OpenAPI document`);
    const fuzz = await fuzzedHttp(gateway.url, seed);
    await fuzz.run(WARM_UP);
    const before = await settledHeap(QUIET_MS);
    const start = performance.now();
    const statuses = await fuzz.run(count);
    const seconds = (performance.now() - start) / 1000;
    const after = await settledHeap(QUIET_MS);
    console.log(`${count} requests in ${seconds.toFixed(1)} s: ${Math.round(count / seconds)} a second`);
    for (const [status, times] of Object.entries(statuses).sort())
      console.log(`  ${status}  ${String(times).padStart(6)}`);
    console.log(`${fuzz.jobs.size} jobs; heap before ${mib(before)}, after ${mib(after)}: ${mib(after - before)} more`);
    const alive = await fetch(`${gateway.url}/livez`);
    if (alive.status !== 200 || after - before > MAX_GROWTH) process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof HttpFuzzFailure)) throw error;
    console.log(error.message);
    process.exitCode = 1;
  } finally {
    await gateway.close();
  }
}

void main();
