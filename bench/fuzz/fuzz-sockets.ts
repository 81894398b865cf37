/** `npm run fuzz:sockets`: messages that no client should send; exits 1 on a crash, a wrong answer or a leak. */
import { randomInt, randomUUID } from 'node:crypto';
import { runningGateway } from '../../test/gateway/support/running-gateway';
import { settled } from '../../test/gateway/support/settled';
import { testAuth } from '../../test/gateway/support/admission/tokens';
import { leaks } from '../../test/support/jest/canary';
import { steps } from '../../test/support/comfyui/workflows';
import { fuzzedSockets, SocketFuzzFailure } from './fuzzed-sockets';
import { VALUE, commandLine } from '../../scripts/command-line';
import { mib, settledHeap } from '../heap';

const MAX_GROWTH = 20 << 20;
/** Until code is compiled and caches are filled, the heap grows for good reason. */
const WARM_UP = 3_000;
/** Whatever a socket leaves behind has its time to go. */
const QUIET_MS = 12_000;

const given = commandLine('usage: npm run fuzz:sockets -- [--count 100000] [--seed N]', { count: VALUE, seed: VALUE });
const [count, seed] = [given.number('count', 100_000), given.number('seed', randomInt(2 ** 31))];

async function main(): Promise<void> {
  const gateway = await runningGateway({ auth: testAuth, rates: { requestsPerMinute: 0 } });
  const submit = (workflow: ReturnType<typeof steps>) =>
    gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada' });
  try {
    const [ended, live] = [await submit(steps()), await submit(steps({ steps: 100_000, secondsPerStep: 0.5 }))];
    await settled(gateway.pipeline, ended.promptId);
    console.log(`seed ${seed}: ${count} messages`);
    const fuzz = await fuzzedSockets(gateway.url, seed, [ended.promptId, live.promptId, randomUUID()]);
    await fuzz.run(WARM_UP);
    const before = await settledHeap(QUIET_MS);
    const start = performance.now();
    const sockets = await fuzz.run(count);
    const seconds = (performance.now() - start) / 1000;
    const after = await settledHeap(QUIET_MS);
    console.log(`over ${sockets} sockets in ${seconds.toFixed(1)} s: ${Math.round(count / seconds)} a second`);
    console.log(`heap before ${mib(before)}, after ${mib(after)}: ${mib(after - before)} more`);
    if (after - before > MAX_GROWTH || leaks().length > 0) process.exitCode = 1;
    await gateway.pipeline.cancel(live.promptId);
  } catch (error) {
    if (!(error instanceof SocketFuzzFailure)) throw error;
    console.log(error.message);
    process.exitCode = 1;
  } finally {
    await gateway.close();
  }
}

void main();
