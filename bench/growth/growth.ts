/** `npm run bench:growth`: what many live jobs cost an instance while nothing happens to them, and what a frame costs beside them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { lastValueFrom, filter, firstValueFrom, from, mergeMap, scan } from 'rxjs';
import { createPipeline } from '../../pipeline/instance/create-pipeline';
import { FLAG, commandLine } from '../../scripts/command-line';
import { embeddedStore } from '../../sinks/embedded/embedded-store';
import type { JobStore } from '../../sinks/job-store';
import { decoded } from '../../sources/session';
import { jobBoard } from '../../streams/board/board';
import { jobOf, queuedState } from '../../streams/job/job';
import type { JobState } from '../../streams/job/job-state';
import { defaultTiming } from '../../streams/job/timing';
import { graphOf } from '../../streams/job/workflow';
import { heap } from '../heap';

/** With `--taken-up` the quiet minute is left out. */
const given = commandLine('usage: npm run bench:growth -- [--frames | --idle | --taken-up]', {
  frames: FLAG,
  idle: FLAG,
  'taken-up': FLAG,
});
const JOBS = 10_000;
const SERVERS = 10;
const LOOKED_MS = 15_000;
const AWAY_MS = 66_000;
/** How often the same thousand frames come. */
const ROUNDS = 10;

const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

function stateOf(n: number, serverUrl: string, more: Partial<JobState> = {}): JobState {
  const state = queuedState({ promptId: `job-${n}`, type: 'bench', userId: `u${n % 100}`, serverUrl, at: Date.now() });
  return { ...state, clientId: `client of ${serverUrl}`, ...more };
}

/** Share of a core over a while, and then the lag of the event loop: to measure that costs 2 % of a core by itself. */
async function costOf(ms: number): Promise<string> {
  const before = process.cpuUsage();
  const began = performance.now();
  await pause(ms);
  const { user, system } = process.cpuUsage(before);
  const share = (user + system) / 10 / (performance.now() - began);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await pause(ms);
  delay.disable();
  return `${share.toFixed(1)} % of a core, event loop p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms, most ${(delay.max / 1e6).toFixed(0)} ms`;
}

/** A pipeline that has taken up all these jobs from its store. */
async function takenUp(states: readonly JobState[], servers: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'growth-'));
  const report = (): void => undefined;
  const store: JobStore = embeddedStore({ directory, report });
  await lastValueFrom(from(states).pipe(mergeMap((state) => store.put(state), 64)));
  const before = heap();
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  const pipeline = createPipeline({ servers, store, report });
  await firstValueFrom(
    pipeline.recovered$.pipe(
      scan((sum, { length }) => sum + length, 0),
      filter((sum) => sum >= states.length),
    ),
  );
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpu = ((user + system) / 1e6).toFixed(1);
  console.log(
    `  taken up in ${seconds.toFixed(1)} s (${cpu} s of CPU), ${((heap() - before) / states.length / 1024).toFixed(1)} KB of heap a job`,
  );
  return async () => {
    await pipeline.close();
    rmSync(directory, { recursive: true, force: true });
  };
}

async function idle(): Promise<void> {
  console.log(`${JOBS} live jobs of ${SERVERS} servers, idle`);
  const child = spawn(process.execPath, [join(__dirname, 'growth-servers.js'), String(SERVERS), String(JOBS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const urls = JSON.parse(line.toString()) as readonly string[];
  const states = Array.from({ length: JOBS }, (_, n) => stateOf(n, urls[n % SERVERS] ?? ''));
  const close = await takenUp(states, urls);
  if (!given.flag('taken-up')) {
    // What the first looks told is stored by then.
    await pause(30_000);
    console.log(`  ${await costOf(2 * LOOKED_MS)}`);
  }
  await close();
  child.kill();
}

async function away(more: Partial<JobState>, what: string): Promise<void> {
  console.log(`${JOBS} jobs of a server that is away${what}`);
  // Nobody listens at the ports 1 and 2.
  const states = Array.from({ length: JOBS }, (_, n) => stateOf(n, 'http://127.0.0.1:1', more));
  const close = await takenUp(states, ['http://127.0.0.1:1', 'http://127.0.0.1:2']);
  await pause(AWAY_MS);
  console.log(`  ${await costOf(LOOKED_MS)}`);
  await close();
}

/** Microseconds of CPU a frame, on a board with so many jobs. */
function frameCost(jobs: number): number {
  const board = jobBoard(defaultTiming);
  const url = (n: number): string => `http://comfyui-${n % SERVERS}`;
  const workflow = { '1': { class_type: 'KSampler', inputs: { steps: 1_000 } } };
  for (let n = 0; n < SERVERS; n += 1) board.take({ tag: 'linked', clientId: `client of ${url(n)}`, at: 0 });
  for (let n = 0; n < jobs; n += 1)
    board.take({ tag: 'opened', job: jobOf(stateOf(n, url(n)), { graph: graphOf(workflow), accepted: true }) });
  const origin = { clientId: `client of ${url(0)}`, serverUrl: url(0), at: Date.now() };
  const frames = Array.from({ length: 1_000 }, (_, n) => [
    { type: 'progress', data: { value: n, max: 1_000, prompt_id: 'job-0', node: '1' } },
    ...(n % 10 === 0 ? [{ type: 'status', data: { status: { exec_info: { queue_remaining: jobs + n } } } }] : []),
  ])
    .flat()
    .map((frame) => Buffer.from(JSON.stringify(frame)));
  for (const frame of frames.slice(0, 200))
    for (const event of decoded(frame, false, origin, () => undefined)) board.take(event);
  // What filling the board left behind is not to be collected while frames are counted.
  heap();
  const before = process.cpuUsage();
  for (let round = 0; round < ROUNDS; round += 1)
    for (const frame of frames) for (const event of decoded(frame, false, origin, () => undefined)) board.take(event);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (ROUNDS * frames.length);
}

function frames(): void {
  const rounds = Array.from({ length: 8 }, () => [frameCost(10), frameCost(JOBS)] as const).slice(1);
  const median = (of: 0 | 1): number => rounds.map((round) => round[of]).sort((a, b) => a - b)[3] ?? 0;
  const [few, many] = [median(0), median(1)];
  console.log(
    `a frame beside 10 jobs ${few.toFixed(2)} µs, beside ${JOBS} ${many.toFixed(2)} µs: × ${(many / few).toFixed(2)}`,
  );
}

async function main(): Promise<void> {
  const idleOnly = given.flag('idle') || given.flag('taken-up');
  if (!idleOnly) frames();
  if (given.flag('frames')) return;
  await idle();
  if (idleOnly) return;
  await away({}, '');
  await away({ retry: { maxAttempts: 3, onLost: 'resubmit' } }, ', all to be run elsewhere if need be');
}

void main();
